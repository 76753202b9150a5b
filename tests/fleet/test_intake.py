"""The hub's door for stations, over real sockets."""

import contextlib
import json
import logging
import socket
import sqlite3
import ssl
import threading
from pathlib import Path
from typing import Any

import gevent
import pytest
import requests
import trustme
from gevent.event import Event
from typed import present

import pywats_green
from pywats_green import FolderQueue, InvalidArgumentError, Pool, QueueProcessor, wsgi
from pywats_green.exceptions import (
    ForeignAnswerError,
    IntakeRefusedError,
    QueueFolderError,
    SettingsError,
)
from pywats_green.fleet import intake as intake_module
from pywats_green.fleet.intake import Intake, IntakeClient, application, receipts, serve_intake
from pywats_green.fleet.intake.stations import Stations
from pywats_green.queue.drain.answers import is_already_there
from pywats_green.testing import WatsServer

SECRETS = {"station-1": "correct horse battery", "station-2": "staple correct horse"}


def report(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"r{number}", "type": "T", "pn": "PN-1", "sn": f"SN-{number}", **fields}


def address_of(url: str) -> tuple[str, int]:
    host, port = url.split("//")[1].rstrip("/").split(":")
    return host, int(port)


class Hub:
    """A served intake over a folder."""

    def __init__(self, folder: Path, **options: Any) -> None:
        limits = {
            key: options.pop(key)
            for key in ("max_reports", "order_by", "max_bytes")
            if key in options
        }
        self.queue = FolderQueue(folder, **limits)
        self.intake = Intake(self.queue, SECRETS, **options)
        self.server = serve_intake("127.0.0.1:0", self.intake)
        self.url = self.server.url

    def client(self, station: str = "station-1") -> IntakeClient:
        return IntakeClient(self.url, station, SECRETS[station])

    def post(self, body: Any, station: str = "station-1", **options: Any) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        auth = options.pop("auth", (station, SECRETS.get(station, "")))
        return requests.post(f"{self.url}reports", data, auth=auth, timeout=30, **options)

    def waiting(self) -> list[dict[str, Any]]:
        found = sorted(self.queue.path.glob("*.pending.wsjf"))
        return [json.loads(path.read_bytes()) for path in found]

    def close(self) -> None:
        self.server.close()
        self.intake.close()


@pytest.fixture
def hub(tmp_path: Path):
    hub = Hub(tmp_path / "hub")
    yield hub
    hub.close()


def test_a_report_is_on_disk_before_it_is_answered(hub: Hub) -> None:
    answer = hub.post(report(1, result="P"))
    assert (answer.status_code, answer.json()) == (202, {"id": "r1"})
    assert hub.waiting() == [report(1, result="P")]


def test_the_same_again_is_one_report_and_another_body_a_conflict(hub: Hub) -> None:
    for _ in range(2):
        assert hub.post(report(1)).status_code == 202
    answer = hub.post(report(1, result="F"))
    assert answer.status_code == 409
    assert "different report under this id" in answer.json()["error"]
    assert not is_already_there(answer), "a station would take it for delivered"
    assert hub.waiting() == [report(1)]


def test_what_was_sent_to_wats_meanwhile_is_remembered(hub: Hub) -> None:
    sent: list[Any] = []
    hub.post(report(1))
    assert QueueProcessor(hub.queue, sent.append).drain().submitted == 1
    assert hub.post(report(1)).status_code == 202
    assert hub.post(report(1, result="F")).status_code == 409
    assert hub.waiting() == []
    assert sent == [report(1)]


def test_ids_are_forgotten_after_a_while(tmp_path: Path) -> None:
    now = [1e9]
    hub = Hub(tmp_path / "hub", keep_ids=3600.0, clock=lambda: now[0])
    hub.post(report(1))
    QueueProcessor(hub.queue, lambda _: None).drain()
    now[0] += 3601.0
    hub.post(report(2))  # which deletes old receipts
    assert hub.post(report(1, result="F")).status_code == 202
    assert [each["id"] for each in hub.waiting()] == ["r2", "r1"]
    hub.close()


def test_an_id_that_says_it_already_exists_is_a_conflict_all_the_same(hub: Hub) -> None:
    odd = "r. Report already exists"
    assert hub.post(report(1, id=odd)).status_code == 202
    answer = hub.post(report(1, id=odd, result="F"))
    assert answer.status_code == 409
    assert not is_already_there(answer)


def test_another_order_is_the_hubs_fault_and_no_reports(tmp_path: Path) -> None:
    FolderQueue(tmp_path / "hub", order_by="sn").put(report(0))
    hub = Hub(tmp_path / "hub", order_by="pn")
    answer = hub.post(report(1))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "order_by" in requests.get(f"{hub.url}healthz", timeout=30).text
    hub.close()


def test_ids_are_each_stations_own(hub: Hub) -> None:
    assert hub.post(report(1), "station-1").status_code == 202
    assert hub.post(report(1, result="F"), "station-2").status_code == 202
    assert len(hub.waiting()) == 2


def test_two_processes_of_a_hub_know_the_same_ids(hub: Hub) -> None:
    other = Hub(hub.queue.path)
    hub.post(report(1))
    assert other.post(report(1)).status_code == 202
    assert other.post(report(1, result="F")).status_code == 409
    assert len(hub.waiting()) == 1
    other.close()


def test_many_stations_at_once_with_one_id_put_one_report(hub: Hub) -> None:
    with Pool(20) as pool:
        codes = pool.map(lambda n: hub.post(report(1, n=n % 2)).status_code, range(20))
    assert sorted(codes) == [202] * 10 + [409] * 10
    assert len(hub.waiting()) == 1


def test_a_report_without_an_id_gets_one_of_its_content(hub: Hub) -> None:
    body = {key: value for key, value in report(1).items() if key != "id"}
    first, again = hub.post(body).json()["id"], hub.post(body).json()["id"]
    assert first == again
    assert [each["id"] for each in hub.waiting()] == [first]
    assert hub.post({**body, "sn": "SN-2"}).json()["id"] != first


@pytest.mark.parametrize(
    ("auth", "options"),
    [
        (None, {}),
        (("station-1", "wrong"), {}),
        (("station-3", ""), {}),
        (("station-3", "\0"), {}),
        (None, {"headers": {"Authorization": "Basic !!"}}),
        (None, {"headers": {"Authorization": "Bearer c3RhdGlvbi0x"}}),
    ],
)
def test_who_does_not_know_a_secret_is_refused(hub: Hub, auth: Any, options: Any) -> None:
    answer = hub.post(report(1), auth=auth, **options)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert hub.waiting() == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"[1]", "not a JSON object"),
        (b'{"id": "r1", "pn": NaN}', "JSON has no NaN"),
        (b"\xff\xfe{}", "not valid JSON"),
        (report(1, pn=""), "has no pn"),
        (report(1, sn=5), "has no sn"),
        (report(1, type="X"), "type of a report"),
        (report(1, id=5), "id of a report is a string"),
        (report(1, id="a/b"), "cannot name a file"),
        (report(1, id="../../etc/x"), "cannot name a file"),
        (report(1, id="x" * 250), "longer than"),
        (report(1, id="\ud800"), "not valid Unicode"),
        (b'{"id":"r","type":"T","pn":"a","sn":"\\ud800"}', "Unicode"),
    ],
)
def test_what_is_no_report_is_refused(hub: Hub, body: Any, reason: str) -> None:
    answer = hub.post(body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert hub.waiting() == []
    assert hub.post(report(2)).status_code == 202


def test_sizes_and_encodings_have_limits(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub", max_body=100)
    assert hub.post(report(1, pad="x" * 100)).status_code == 413
    assert hub.post(report(1), headers={"Content-Encoding": "gzip"}).status_code == 415
    chunks = iter([json.dumps(report(1)).encode()])
    url = f"{hub.url}reports"
    auth = ("station-1", SECRETS["station-1"])
    assert requests.post(url, chunks, auth=auth, timeout=30).status_code == 411
    assert requests.get(url, timeout=30).status_code == 405
    assert requests.post(f"{hub.url}other", b"", timeout=30).status_code == 404
    assert requests.post(f"{hub.url}healthz", b"", timeout=30).status_code == 405
    assert hub.waiting() == []
    hub.close()


def test_too_much_at_once_is_put_off(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "_MOST_IN_HAND", 1000)
    entered, go = Event(), Event()
    put = hub.queue.put

    def slow(*args: Any, **options: Any) -> str:
        entered.set()
        go.wait()
        return put(*args, **options)

    monkeypatch.setattr(hub.queue, "put", slow)
    first = gevent.spawn(hub.post, report(1, pad="x" * 800))
    entered.wait()
    answer = hub.post(report(2, pad="x" * 800))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    go.set()
    assert first.get().status_code == 202
    assert hub.post(report(2, pad="x" * 800)).status_code == 202


def test_a_full_queue_asks_to_wait_and_healthz_says_so(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub", max_reports=2, retry_after=7.0)
    assert [hub.post(report(number)).status_code for number in range(3)] == [202, 202, 503]
    answer = hub.post(report(3))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert "cannot store" in answer.json()["error"]
    assert hub.post(report(1)).status_code == 202, "that one is in the queue"
    assert hub.post(report(3)).status_code == 503
    health = requests.get(f"{hub.url}healthz", timeout=30)
    assert health.status_code == 503
    assert "max_reports is 2" in health.text
    QueueProcessor(hub.queue, lambda _: None).drain()
    assert hub.post(report(3)).status_code == 202
    assert requests.get(f"{hub.url}healthz", timeout=30).status_code == 200
    hub.close()


def test_a_report_that_will_never_fit_is_refused_for_good(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub", max_bytes=1000)
    answer = hub.post(report(1, pad="x" * 1000))
    assert answer.status_code == 413
    assert "max_bytes of the queue is 1000" in answer.json()["error"]
    assert requests.get(f"{hub.url}healthz", timeout=30).status_code == 200
    assert hub.post(report(2)).status_code == 202
    hub.close()


def test_a_hub_that_gets_no_more_reports_becomes_healthy_again(tmp_path: Path) -> None:
    now = [1e9]
    hub = Hub(tmp_path / "hub", max_reports=1, retry_after=7.0, clock=lambda: now[0])
    for number in range(2):
        hub.post(report(number))
    assert hub.post(report(0)).status_code == 202, "it is in the queue"
    assert requests.get(f"{hub.url}healthz", timeout=30).status_code == 503
    now[0] += 7.0
    assert requests.get(f"{hub.url}healthz", timeout=30).status_code == 200
    assert "pywats_green_intake_full 0.0" in requests.get(f"{hub.url}metrics", timeout=30).text
    hub.close()


def test_not_too_many_are_stored_at_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    put, most, running = hub.queue.put, 0, 0

    def counted(*args: Any, **options: Any) -> str:
        nonlocal most, running
        running += 1
        most = max(most, running)
        try:
            return put(*args, **options)
        finally:
            running -= 1

    monkeypatch.setattr(hub.queue, "put", counted)
    with Pool(60) as pool:
        codes = pool.map(lambda n: hub.post(report(n)).status_code, range(60))
    assert codes == [202] * 60
    assert most <= 20


def test_the_metrics_tell_what_became_of_the_requests(hub: Hub) -> None:
    for body in (report(1), report(1), report(1, n=2), report(2, pn="")):
        hub.post(body)
    hub.post(report(3), auth=("station-1", "wrong"))
    text = requests.get(f"{hub.url}metrics", timeout=30).text
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert {key: float(value) for key, value in found.items() if "requests_total" in key} == {
        f'pywats_green_intake_requests_total{{to="{outcome}"}}': 1.0
        for outcome in ("accepted", "conflicts", "refused", "repeated", "unauthorized")
    }
    assert float(found["pywats_green_intake_full"]) == 0.0


def test_a_body_that_ends_too_early_is_no_report(hub: Hub) -> None:
    with socket.create_connection(address_of(hub.url), timeout=30) as station:
        coded = requests.auth._basic_auth_str("station-1", SECRETS["station-1"])
        head = f"POST /reports HTTP/1.1\r\nHost: h\r\nAuthorization: {coded}\r\n"
        body = json.dumps(report(1)).encode()
        station.sendall(f"{head}Content-Length: {len(body) + 5}\r\n\r\n".encode() + body)
        station.shutdown(socket.SHUT_WR)
        assert station.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert hub.waiting() == []


def test_a_body_that_stalls_is_given_up_by_the_server(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgi, "_PATIENCE", 0.2)
    with socket.create_connection(address_of(hub.url), timeout=30) as station:
        coded = requests.auth._basic_auth_str("station-1", SECRETS["station-1"])
        head = f"POST /reports HTTP/1.1\r\nHost: h\r\nAuthorization: {coded}\r\n"
        station.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
        assert station.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_does_not_come_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "_PATIENCE", 0.05)
    with socket.create_connection(address_of(hub.url), timeout=30) as station:
        coded = requests.auth._basic_auth_str("station-1", SECRETS["station-1"])
        head = f"POST /reports HTTP/1.1\r\nHost: h\r\nAuthorization: {coded}\r\n"
        station.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
        assert station.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert hub.intake._in_hand == 0


def test_a_client_without_a_handshake_or_a_head_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wsgi, "_PATIENCE", 0.2)
    chain = tmp_path / "chain.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
    intake = Intake(FolderQueue(tmp_path / "hub"), SECRETS)
    for certificate, words in (
        (str(chain), b""),
        (str(chain), b"GET / HTTP/1.1\r\n\r\n"),
        (None, b""),
    ):
        with (
            serve_intake("127.0.0.1:0", intake, certificate=certificate) as server,
            socket.create_connection(address_of(server.url), timeout=30) as client,
        ):
            client.sendall(words)
            with contextlib.suppress(ConnectionResetError):
                while client.recv(4096):
                    pass
    intake.close()
    assert "Traceback" not in capfd.readouterr().err


def test_a_head_that_drips_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "_PATIENCE", 0.2)
    with socket.create_connection(address_of(hub.url), timeout=30) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        answer = gevent.spawn(client.recv, 4096)
        while not answer.ready():
            client.sendall(b"X: y\r\n")
            gevent.sleep(0.02)
        assert answer.get().startswith(b"HTTP/1.1 400 ")


def test_connections_are_kept_while_there_are_few(tmp_path: Path) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        return wsgi.Reply("200 OK", wsgi.TEXT, b"ok").send(environ, start_response)

    logger = logging.getLogger("test")
    with wsgi.Server("127.0.0.1", 0, application, logger=logger, clients=4) as server:
        sessions = [requests.Session() for _ in range(6)]
        answers = [session.get(server.url, timeout=10) for session in sessions]
        assert [each.headers.get("Connection") for each in answers] == [None] * 2 + ["close"] * 4
        for session in sessions:
            session.close()


# The station's side.


def test_a_report_goes_from_station_to_hub_to_wats(
    server: WatsServer, hub: Hub, tmp_path: Path
) -> None:
    from pywats import pyWATS

    station = FolderQueue(tmp_path / "station")
    ids = {station.put(report(number, id=f"{number:08x}-0000-4000-8000-000000000000"))
           for number in range(50)}  # fmt: skip
    assert QueueProcessor(station, hub.client()).drain()[:4] == (50, 0, 0, 0)
    with pyWATS(base_url=server.url, token=server.token) as api:
        assert QueueProcessor(hub.queue, api).drain()[:4] == (50, 0, 0, 0)
    assert server.reports() == dict.fromkeys(ids, 1)


def test_a_conflict_is_quarantined_at_the_station(hub: Hub, tmp_path: Path) -> None:
    hub.post(report(1, result="F"))
    station = FolderQueue(tmp_path / "station")
    station.put(report(1))
    assert QueueProcessor(station, hub.client()).drain().quarantined == 1
    [item] = station.list("quarantined")
    assert "different report under this id" in present(item.last_error)


def test_a_hub_that_is_full_or_away_costs_no_report(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub", max_reports=1)
    hub.post(report(0))
    station = FolderQueue(tmp_path / "station")
    station.put(report(1))
    client = hub.client()
    summary = QueueProcessor(station, client, give_up_after=0.05).drain()
    assert (summary.submitted, summary.quarantined, summary.remaining) == (0, 0, 1)
    assert "503" in present(summary.paused_reason)
    hub.close()
    summary = QueueProcessor(station, client, give_up_after=0.05).drain()
    assert (summary.submitted, summary.quarantined, summary.remaining) == (0, 0, 1)
    assert "unreachable" in present(summary.paused_reason)


def test_an_answer_of_somebody_else_is_no_receipt(server: WatsServer) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response(answers[0][0], [("Content-Type", "text/html")])
        return [answers.pop(0)[1]]

    answers = [("200 OK", b"<html>please log in"), ("202 Accepted", b'{"id": "other"}')]
    with pywats_green.wsgi.Server(
        "127.0.0.1", 0, application, logger=logging.getLogger("test"), clients=5
    ) as portal:
        client = IntakeClient(portal.url, "station-1", SECRETS["station-1"])
        for _ in range(2):
            with pytest.raises(ForeignAnswerError, match="not as an intake"):
                client(report(1))


def test_a_refusal_says_why_and_no_secret_is_shown(hub: Hub) -> None:
    client = IntakeClient(hub.url, "station-1", "a wrong secret, but long")
    with pytest.raises(IntakeRefusedError, match="HTTP 401: unknown station") as caught:
        client(report(1))
    shown = "".join(map(repr, (client, caught.value, hub.intake, vars(client), vars(hub.intake))))
    assert "a wrong secret" not in shown
    assert SECRETS["station-1"] not in shown
    assert "YSB3cm9uZyBzZWNyZXQ" not in shown


@pytest.mark.parametrize("missing", [None, ""])
def test_the_client_takes_the_id_that_the_hub_gave(hub: Hub, missing: Any) -> None:
    given = hub.client()(report(1, id=missing))
    assert [each["id"] for each in hub.waiting()] == [given]


def test_a_large_report_passes_whole(hub: Hub) -> None:
    large = report(1, steps=[{"n": number, "v": number / 7} for number in range(120_000)])
    assert hub.client()(large) == "r1"
    assert hub.waiting() == [large]


# How it is started.


def test_tls_and_what_would_show_secrets(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, bundle = tmp_path / "chain.pem", tmp_path / "ca.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(chain)
    authority.cert_pem.write_to_path(bundle)
    intake = Intake(FolderQueue(tmp_path / "hub"), SECRETS)
    with serve_intake("127.0.0.1:0", intake, certificate=str(chain)) as server:
        assert server.url.startswith("https://")
        before = pywats_green.settings().ca_bundle
        pywats_green.configure(ca_bundle=str(bundle))
        try:
            assert IntakeClient(server.url, "station-1", SECRETS["station-1"])(report(1)) == "r1"
        finally:
            pywats_green.configure(ca_bundle=before)
    with pytest.raises(InvalidArgumentError, match="secrets in clear"):
        serve_intake("0.0.0.0:0", intake)
    with pytest.raises(ssl.SSLError):
        serve_intake("127.0.0.1:0", intake, certificate=str(bundle))
    serve_intake("0.0.0.0:0", intake, tls_elsewhere=True).close()
    intake.close()


def test_the_stations_file_is_read_again_when_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "stations.json"
    path.write_text(json.dumps({"one": "0123456789abcdef"}))
    intake = Intake(FolderQueue(tmp_path / "hub"), path)
    stations = intake._stations
    assert stations.knows("one", "0123456789abcdef")
    assert not stations.knows("two", "fedcba9876543210")
    path.write_text(json.dumps({"one": "0123456789abcdef", "two": "fedcba9876543210"}))
    assert stations.knows("two", "fedcba9876543210")
    path.write_text("{")
    assert stations.knows("two", "fedcba9876543210")
    assert "The stations stay as they were" in caplog.text
    caplog.clear()
    path.unlink()
    for _ in range(3):
        assert stations.knows("one", "0123456789abcdef")
    assert len(caplog.records) == 1
    intake.close()


def test_a_stations_file_that_was_half_written_is_read_once_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / "stations.json", json.dumps({"two": "fedcba9876543210"})
    path.write_text(json.dumps({"one": "0123456789abcdef"}))
    stations = Stations(path)
    path.write_text(whole[:9])
    read = Path.read_bytes

    def read_and_be_overtaken(given: Path) -> bytes:
        data = read(given)
        path.write_text(whole)
        return data

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", read_and_be_overtaken)
        assert stations.knows("one", "0123456789abcdef")
    assert stations.knows("two", "fedcba9876543210")


@pytest.mark.parametrize(
    ("stations", "message"),
    [
        ({"a.b": "0123456789abcdef"}, "name is 1 to 64 letters"),
        ({"a": "short"}, "secret of a needs 16"),
        ({"a": 5}, "secret of a needs 16"),
        ({"a": "\ud800" * 16}, "secret of a needs 16"),
        ({"COM1": "0123456789abcdef"}, "no device of Windows"),
    ],
)
def test_bad_stations_are_refused(tmp_path: Path, stations: Any, message: str) -> None:
    for given in (stations, tmp_path / "stations.json"):
        (tmp_path / "stations.json").write_text(json.dumps(stations))
        with pytest.raises(InvalidArgumentError, match=message) as caught:
            Intake(FolderQueue(tmp_path / "hub"), given)
        assert "short" not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="cannot be read from"):
        Intake(FolderQueue(tmp_path / "hub"), tmp_path / "missing.json")


def test_the_app_of_gunicorn_is_made_of_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="set PYWATS_GREEN_INTAKE_FOLDER"):
        _ = intake_module.app
    stations = tmp_path / "stations.json"
    stations.write_text(json.dumps(SECRETS))
    monkeypatch.setenv("PYWATS_GREEN_INTAKE_FOLDER", str(tmp_path / "hub"))
    monkeypatch.setenv("PYWATS_GREEN_INTAKE_STATIONS", str(stations))
    monkeypatch.setenv("PYWATS_GREEN_INTAKE_MAX_REPORTS", "many")
    with pytest.raises(SettingsError, match="must be a whole number, not 'many'"):
        _ = intake_module.app
    monkeypatch.setenv("PYWATS_GREEN_INTAKE_MAX_REPORTS", "5")
    app = intake_module.app
    assert app is intake_module.app
    assert app._queue.path == tmp_path / "hub"
    app.close()
    monkeypatch.delattr(intake_module, "app")


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path / "hub")
    (tmp_path / "hub" / ".intake.sqlite3").write_bytes(b"this is no database" * 100)
    with pytest.raises(QueueFolderError, match=r"receipts .* cannot be used"):
        Intake(queue, SECRETS)


def test_receipts_that_are_locked_put_the_report_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "_BUSY", 0.05)
    hub = Hub(tmp_path / "hub")
    with contextlib.closing(
        sqlite3.connect(tmp_path / "hub" / ".intake.sqlite3", isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        assert [hub.post(report(1)).status_code for _ in range(2)] == [503, 503]
        other.execute("COMMIT")
    assert hub.post(report(1)).status_code == 202
    assert hub.waiting() == [report(1)]
    hub.close()


def test_who_has_to_wait_too_long_for_receipts_is_put_off(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "_BUSY", 0.05)
    held = threading.Event()

    def hold() -> list[tuple[bytes]]:
        held.wait(30)
        return []

    holder = gevent.spawn(hub.intake._receipts._run, hold)
    gevent.idle()
    assert hub.post(report(1)).status_code == 503
    held.set()
    holder.get()
    assert hub.post(report(1)).status_code == 202


def test_receipts_that_break_put_the_report_off(hub: Hub) -> None:
    hub.intake._receipts.close()
    answer = hub.post(report(1))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "receipts" in requests.get(f"{hub.url}healthz", timeout=30).text
