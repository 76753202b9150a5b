"""The status page over real sockets."""

import base64
import errno
import json
import os
import re
import socket
from pathlib import Path

import gevent
import gevent.event
import pytest
import requests
import waiting
from prometheus_client.parser import text_string_to_metric_families
from pywats import pyWATS
from pywats.core.throttle import configure_throttling

import pywats_green
from pywats_green import (
    ArgumentTypeError,
    FolderQueue,
    InvalidArgumentError,
    Pool,
    QueueFolderError,
    QueueProcessor,
    events,
    serve_status,
)
from pywats_green.observe.board import Board
from pywats_green.observe.server import Site, Sources, StatusServer
from pywats_green.testing import WatsServer
from pywats_green.upstream.features import status
from pywats_green.wsgi import parse_address

PASSWORD = "PYWATS_GREEN_STATUS_PASSWORD"
ROUTE = "/api/Product/{part_number}"


@pytest.fixture
def page():
    with serve_status("127.0.0.1:0") as server:
        yield server


def get(page, path="", **options):
    return requests.get(page.url + path, timeout=30, **options)


# --- what it shows ---------------------------------------------------------------------------


def test_the_page_may_load_nothing_from_anywhere(page):
    answer = get(page)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    text = answer.text.replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text
    assert "innerHTML" not in text
    assert answer.headers["cache-control"] == "no-store"


def test_calls_and_failures_by_route(page, server: WatsServer):
    with pyWATS(base_url=server.url, token=server.token) as api:
        Pool(2).map(api.product.get_product, ["PN-00001", "PN-00001", "PN-00002"])
        server.fail("GET /api/Product", status=500, times=1)
        with pytest.raises(Exception, match="500"):
            api.product.get_product("PN-00003")
    found = get(page, "status.json").json()
    (route,) = found["routes"]
    assert route["route"] == ROUTE
    assert (route["calls"], route["requests"]) == (4, 3)
    assert (route["from_cache"], route["failures"]) == (1, 1)
    (failure,) = found["failures"]
    assert (failure["method"], failure["route"]) == ("GET", ROUTE)
    assert "500" in failure["what"]
    assert server.token not in json.dumps(found)


def test_a_queue_and_its_quarantine(page, tmp_path: Path):
    def submit(report):
        if report["id"] == "bad":
            raise ValueError("<script>alert(1)</script>")
        return True

    queue = FolderQueue(tmp_path)
    for name in ("good", "bad", "later"):
        queue.put({"id": name})
    processor = QueueProcessor(queue, submit, max_attempts=1)
    processor.drain()
    queue.put({"id": "waiting"})
    found = get(page, "status.json").json()
    (state,) = [state for state in found["queues"] if state["name"] == str(tmp_path)]
    assert state["stats"]["submitted"] == 2
    assert state["stats"]["depth"] == 1
    assert state["quarantined"] == 1
    (bad,) = state["quarantine"]
    assert (bad["id"], bad["attempts"]) == ("bad", 1)
    assert "<script>alert(1)</script>" in bad["reason"]  # as data; the page makes text of it


def test_the_limit(page, server: WatsServer):
    configure_throttling(max_requests=40, window_seconds=60, enabled=True)
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        for _ in range(3):
            api.product.get_product("PN-00001")
        assert {"used": 3, "limit": 40, "seconds": 60} in pywats_green.stats()["limits"]
        found = get(page, "status.json").json()
    assert {"used": 3, "limit": 40, "seconds": 60} in found["stats"]["limits"]


def test_what_the_profiler_finds(server: WatsServer):
    with (
        pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api,
        pywats_green.profile_queries() as profile,
        serve_status("127.0.0.1:0", profile=profile) as page,
    ):
        for number in range(6):
            api.product.get_product(f"PN-{number:05}")
        (found,) = get(page, "status.json").json()["findings"]
    assert found["kind"] == "n_plus_one"
    assert found["count"] == 6
    assert "fetch_products" in found["advice"]
    assert Path(__file__).name in found["caller"]


def test_the_history_is_an_hour():
    moments = iter(range(0, 10_000, 10))
    figures = {
        "queue": {"submitted": 1, "depth": 2, "in_flight": 3},
        "throttle": {"waiting": 4, "gates": {}},
    }
    board = Board(lambda: figures, list, list, None, clock=lambda: next(moments))
    for _ in range(500):
        board.history.add()
    points = board.history.points
    board.close()
    assert points[-1].at - points[0].at == 3600
    assert points[-1][1:] == (1, 0, 0, 2, 3, 4)


def test_metrics(page, server: WatsServer):
    with pyWATS(base_url=server.url, token=server.token) as api:
        api.product.get_product("PN-00001")
        api.product.get_product("PN-00001")
        text = get(page, "metrics").text
        families = {family.name: family for family in text_string_to_metric_families(text)}
    requests_sent = families["pywats_green_requests"]
    assert requests_sent.type == "counter"
    (sample,) = requests_sent.samples
    assert sample.labels == {"method": "GET", "route": ROUTE}
    assert sample.value == 1
    (entries,) = families["pywats_green_cache_entries"].samples
    assert entries.value == pywats_green.stats()["cache"]["size"]


# --- health ----------------------------------------------------------------------------------


def test_healthy(page):
    answer = get(page, "healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_a_closed_gate_is_not_healthy(page, server: WatsServer):
    server.fail("GET /api/Product", status=503, times=1, retry_after=60)
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        call = gevent.spawn(api.product.get_product, "PN-00001")
        while not pywats_green.stats()["throttle"]["gates"]:
            gevent.sleep(0)
        answer = get(page, "healthz")
        assert (answer.status_code, answer.text) == (503, "the gate of a server is closed\n")
        (gate,) = get(page, "status.json").json()["stats"]["throttle"]["gates"].values()
        assert gate["cause"] == "HTTP 503, Retry-After 60 s"
        call.kill()


def test_a_report_that_waits_too_long_is_not_healthy(tmp_path: Path):
    queue = FolderQueue(tmp_path)
    queue.put({"id": "1"})
    processor = QueueProcessor(queue, print)
    with serve_status("127.0.0.1:0", oldest=1e-6) as page:
        answer = get(page, "healthz")
    assert answer.status_code == 503
    assert re.match(r"a report has been waiting for \d+ s", answer.text)
    with serve_status("127.0.0.1:0", oldest=None) as page:
        assert get(page, "healthz").status_code == 200
    del processor


def test_a_queue_that_cannot_be_read_is_not_healthy(page, tmp_path: Path):
    folder = tmp_path / "queue"
    queue = FolderQueue(folder, scan_interval=0.01)
    processor = QueueProcessor(queue, print)
    assert get(page, "healthz").status_code == 200
    folder.rename(tmp_path / "elsewhere")
    waiting.until(lambda: get(page, "healthz").status_code == 503)
    assert get(page, "healthz").text == "a queue cannot be read\n"
    found = get(page, "status.json").json()
    assert found["complaints"] == ["a queue cannot be read"]
    (tmp_path / "elsewhere").rename(folder)
    waiting.until(lambda: get(page, "healthz").status_code == 200)
    del processor


# --- who may read ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_is_read_only(page, method):
    answer = requests.request(method, page.url, timeout=30)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert requests.head(page.url, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421), ("evil.example:80", 421), ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:8080", 421), (":80", 421),
        ("localhost", 200), ("LOCALHOST:8080", 200), ("localhost.:1", 200), ("127.0.0.1", 200),
        ("[::1]:8080", 200), ("[::1]", 200), ("192.0.2.7:8080", 200), (socket.gethostname(), 200),
        ("hub.example:8080", 200),
    ],
)  # fmt: skip
def test_only_names_of_this_machine(host, status):
    """Else a page of another site whose name leads here could read it."""
    with serve_status("127.0.0.1:0", hosts=["Hub.example"]) as page:
        assert get(page, headers={"Host": host}).status_code == status


def test_one_host_is_not_many():
    with pytest.raises(ArgumentTypeError, match="hosts must be several names"):
        serve_status("127.0.0.1:0", hosts="hub.example")


def test_a_load_balancer_names_no_host(page):
    host, port = page.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 OK\r\n" in sock.recv(1000)


def test_another_address_needs_a_password(monkeypatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    with pytest.raises(InvalidArgumentError, match=f"set {PASSWORD}, or use 127.0.0.1"):
        serve_status("0.0.0.0:0")


def test_a_password(monkeypatch):
    monkeypatch.setenv(PASSWORD, "pass:wörd")
    with serve_status("0.0.0.0:0") as page:
        url = f"http://127.0.0.1:{page.url.rpartition(':')[2]}"
        headers = {}
        for given, status in (
            (None, 401), ("Basic x", 401), ("Bearer x", 401), ("me:wrong", 401),
            ("me:", 401), ("me:pass:wörd", 200), (":pass:wörd", 200),
        ):  # fmt: skip
            if given is not None:
                coded = base64.b64encode(given.encode()).decode()
                headers = {"Authorization": f"Basic {coded}" if ":" in given else given}
            for path in ("", "status.json", "metrics"):
                answer = requests.get(url + path, headers=headers, timeout=30)
                assert answer.status_code == status, (given, path)
        assert requests.get(url + "healthz", timeout=30).status_code == 200
        assert "wörd" not in repr(page)


@pytest.mark.skipif(os.name != "posix", reason="other environments are text")
def test_a_password_that_is_no_text(monkeypatch):
    monkeypatch.setitem(os.environb, PASSWORD.encode(), b"p\xff")
    with serve_status("127.0.0.1:0") as page:
        for given, status in ((b"me:p\xff", 200), (b"me:p", 401)):
            headers = {"Authorization": f"Basic {base64.b64encode(given).decode()}"}
            assert get(page, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)), (":0", ("127.0.0.1", 0)),
        ("[::1]:8080", ("::1", 8080)), ("hub:65535", ("hub", 65535)),
    ],
)  # fmt: skip
def test_addresses(address, found):
    assert parse_address(address) == found


@pytest.mark.parametrize(
    "address", ["", "8080", "localhost", "localhost:", "h:x", "h:65536", "h:²", "h\udcff:0"]
)
def test_no_addresses(address):
    with pytest.raises(InvalidArgumentError, match=r"is not HOST:PORT, such as 127\.0\.0\.1:8080"):
        parse_address(address)


# --- it never stands in the way --------------------------------------------------------------


def test_readers_that_hang_hold_nobody_up(page, server: WatsServer):
    host, port = page.url.removeprefix("http://").rstrip("/").split(":")
    hanging = [socket.create_connection((host, int(port))) for _ in range(30)]
    for reader in hanging:
        reader.sendall(b"GET /status.json HT")
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        assert len(Pool(10).map(api.product.get_product, ["PN-00001"] * 50)) == 50
    for reader in hanging:
        reader.close()
    assert get(page, "healthz").status_code == 200


def test_a_part_that_fails_is_an_answer(caplog):
    def broken():
        raise OSError("the disk is gone")

    site = Site(Sources(broken, broken, None), None)
    with StatusServer("127.0.0.1", 0, site) as page:
        assert get(page, "status.json").status_code == 500
        assert get(page, "metrics").status_code == 501
        assert "pip install 'pywats-green[metrics]'" in get(page, "metrics").text
        assert get(page, "nothing").status_code == 404
    assert "the status page could not be made" in caplog.text


@pytest.mark.parametrize("path", ["status.json", "healthz", "metrics"])
def test_all_readers_of_a_second_share_an_answer(path):
    made, now = [], [0.0]

    def make(answer):
        made.append(1)
        return answer

    sources = Sources(lambda: make({}), lambda: make([]), lambda: make(b""))
    with StatusServer("127.0.0.1", 0, Site(sources, None, clock=lambda: now[0])) as page:
        for _ in range(5):
            assert get(page, path).status_code == 200
        assert len(made) == 1
        now[0] = 1.0
        get(page, path)
    assert len(made) == 2


def test_closed_it_listens_to_nothing():
    before = events.listeners
    page = serve_status("127.0.0.1:0")
    assert len(events.listeners) == len(before) + 1
    page.close()
    page.close()
    assert events.listeners == before
    with pytest.raises(requests.ConnectionError):
        get(page)


def test_an_address_in_use_leaves_nothing_behind(page):
    before = events.listeners
    with pytest.raises(OSError) as caught:  # noqa: PT011  # its text is the system's
        serve_status(page.url.removeprefix("http://").rstrip("/"))
    assert caught.value.errno == errno.EADDRINUSE
    assert events.listeners == before


def test_a_quarantine_that_takes_long_to_read_is_read_rarely(tmp_path: Path):
    moments = iter([0.0, 2.0, 30.0, 41.0, 41.1])  # it takes two seconds
    queue = FolderQueue(tmp_path)
    for name in ("1", "2"):
        queue.put({"id": name}, item_id=name)
    queues = status._Queues(lambda: next(moments))

    def quarantine_one() -> int:
        claim = queue.claim()
        assert claim is not None
        claim.quarantine("bad")
        return queue.counts()["quarantined"]

    assert len(queues._quarantine(queue, quarantine_one())) == 1
    count = quarantine_one()
    assert len(queues._quarantine(queue, count)) == 1  # at 30 s: a twentieth of the time is its own
    assert len(queues._quarantine(queue, count)) == 2
    queue.close()


def test_a_quarantine_is_read_once_at_a_time_and_may_fail(tmp_path: Path, monkeypatch):
    queue = FolderQueue(tmp_path)
    queue.put({"id": "1"})
    claim = queue.claim()
    assert claim is not None
    claim.quarantine("bad")
    processor = QueueProcessor(queue, print)
    queues, go, asked = status._Queues(), gevent.event.Event(), []
    listed = queue.list

    def shown() -> list[str] | None:
        """Return the ids in the quarantine; None: the queue is not shown."""
        for state in queues.states():
            if state["name"] == str(tmp_path):
                return [item["id"] for item in state["quarantine"]]
        return None

    def slowly(state):
        asked.append(state)
        go.wait()
        return listed(state)

    monkeypatch.setattr(queue, "list", slowly)
    first = gevent.spawn(shown)
    waiting.until(lambda: asked)
    assert shown() == []  # not known yet
    go.set()
    assert first.get() == shown() == ["1"]
    assert asked == ["quarantined"]

    def broken(_state):
        raise QueueFolderError("the disk is gone")

    monkeypatch.setattr(queue, "list", broken)
    queues = status._Queues()
    assert shown() is None
    monkeypatch.undo()
    assert shown() == ["1"]
    queue.close()
    del processor
