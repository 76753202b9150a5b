"""No token or password in anything that a run of faults prints, logs, raises or writes."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import trustme
from pywats import pyWATS
from pywats.core.client import HttpClient
from requests.adapters import HTTPAdapter
from transport.servers import Server, reply, reset
from typed import private

from pywats_green import FolderQueue, Pool, QueueProcessor, events, session_of
from pywats_green.bridge import drive

from .leaks import TOKEN, Leaks, with_user_info

# gevent leaves the socket of a TLS handshake that is killed under a foreign adapter to the garbage
# collector; green connections close it, see `pywats_green.transport.tls`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

TIMEOUT = 0.1
ANSWERS: dict[str, bytes] = {
    "401": reply(401, b'{"Message": "who are you?"}'),
    "407": reply(407, b""),
    "500": reply(500, b"broken"),
    "garbage": b"SSH-2.0-OpenSSH\r\n",
    "cut": reply()[:-1],
    "redirect": reply(302, b"", [("Location", "ftp://elsewhere")]),
    "not JSON": reply(200, b"{"),
    "login page": reply(200, b"<html>"),
}


def reset_at_once(sock: socket.socket) -> None:
    sock.recv(10_000)
    reset(sock)


def reset_before(sock: socket.socket) -> None:
    reset(sock)


def never_answer(sock: socket.socket) -> None:
    sock.recv(10_000)
    gevent.sleep(1_000)


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    def handle(sock: socket.socket) -> None:
        sock.recv(10_000)
        sock.sendall(answer)

    return handle


HANDLERS: dict[str, Callable[[socket.socket], None]] = {
    "reset": reset_at_once,
    "reset before": reset_before,
    "closed": lambda sock: None,
    "silent": never_answer,
    **{name: answering(answer) for name, answer in ANSWERS.items()},
}


def over_tls(handle: Callable[[socket.socket], None]) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return Server(handle=handle, context=context)


@contextlib.contextmanager
def base_urls() -> Iterator[dict[str, str]]:
    """Base URLs that fail, each in its way."""
    with contextlib.ExitStack() as stack:
        urls = {
            name: stack.enter_context(Server(handle=handle)).url
            for name, handle in HANDLERS.items()
        }
        # Those that do not verify get as far as the answer.
        for name in ("reset", "closed", "silent", "garbage"):
            urls[f"{name} over TLS"] = stack.enter_context(over_tls(HANDLERS[name])).url
        urls["no TLS"] = urls["garbage"].replace("http:", "https:")
        with Server() as gone:
            urls["refused"] = gone.url
        urls |= {
            "bad port": "http://127.0.0.1:port",
            "high port": "http://127.0.0.1:99999",
            "no host": "http://",
            "half an address": "http://[::1",
        }
        urls = {name: with_user_info(url) for name, url in urls.items()}
        # Whoever forgets to escape the password has written another URL.
        urls["slash"] = "http://base-user:base-/p@ss@127.0.0.1:1"
        yield urls


def call_api(url: str) -> None:
    with pyWATS(base_url=url, token=TOKEN, timeout=TIMEOUT) as api:
        api.product.get_product("x")


def call_internal(url: str) -> None:
    with pyWATS(base_url=url, token=TOKEN, timeout=TIMEOUT, verify_ssl=False) as api:
        api.process.get_repair_operation_configs()


def call_http_client(url: str) -> None:
    client = HttpClient(url, TOKEN, timeout=TIMEOUT)
    client.get("/api/Product/x", retry=False)


def fail(response: Any, **_: Any) -> None:
    response.close()
    response.raise_for_status()
    raise ZeroDivisionError


def call_session(url: str) -> None:
    """Requests sends the requests, over green connections, and a user's hook fails."""
    with pyWATS(base_url=url, token=TOKEN, timeout=TIMEOUT, verify_ssl=False) as api:
        session_of(api).hooks["response"].append(fail)
        api.product.get_product("x")


def call_foreign_adapter(url: str) -> None:
    with pyWATS(base_url=url, token=TOKEN, timeout=TIMEOUT) as api:
        session_of(api).mount("http://", HTTPAdapter())
        session_of(api).mount("https://", HTTPAdapter())
        api.product.get_product("x")


def call_until_open(url: str) -> None:
    """Fail until the circuit breaker is open."""
    with pyWATS(base_url=url, token=TOKEN, timeout=TIMEOUT, enable_cache=False) as api:
        for _ in range(5):
            with contextlib.suppress(Exception):
                api.product.get_product("x")
        api.product.get_product("x")


def call_killed(url: str) -> None:
    options: dict[str, Any] = {"timeout": 60, "verify_ssl": False}
    with pyWATS(base_url=url, token=TOKEN, **options) as api, gevent.Timeout(TIMEOUT):
        api.product.get_product("x")


CALLS = {
    each.__name__: each
    for each in (
        call_api, call_internal, call_http_client, call_session, call_foreign_adapter,
        call_until_open, call_killed,
    )
}  # fmt: skip


@pytest.fixture
def leaks(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Leaks]:
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    found = Leaks(__file__)
    cancel = events.subscribe(found.see_event)
    yield found
    cancel()
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    found.see_log(caplog.records)
    found.see_files(tmp_path)
    found.check(capfd)


def see(leaks: Leaks, call: Callable[..., object], *args: object) -> None:
    try:
        leaks.see("result", call(*args))
    except (Exception, gevent.Timeout) as exc:  # noqa: BLE001  # whatever it is
        leaks.see_error(exc)


@pytest.mark.parametrize("name", CALLS)
def test_servers_that_fail(name: str, leaks: Leaks) -> None:
    with base_urls() as urls:
        for url in urls.values():
            see(leaks, CALLS[name], url)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", CALLS)
def test_proxies_that_fail(
    name: str, scheme: str, leaks: Leaks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with base_urls() as urls:
        for url in urls.values():
            proxy = url.replace("base-", "proxy-")
            monkeypatch.setenv(f"{scheme}_proxy", proxy)
            see(leaks, CALLS[name], with_user_info(f"{scheme}://wats.example"))


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN}\u20ac", f"{TOKEN}\udc80", ""])
@pytest.mark.parametrize("change", [False, True])
def test_tokens_that_cannot_be_sent(token: str, change: bool, leaks: Leaks) -> None:
    def call() -> None:
        with pyWATS(base_url="http://127.0.0.1:1", token=TOKEN if change else token) as api:
            private(api)._http_client._headers["Authorization"] = f"Basic {token}"
            api.product.get_product("x")

    see(leaks, call)


def test_a_client_shows_nothing(leaks: Leaks) -> None:
    url = with_user_info("http://127.0.0.1:1/prefix")
    with pyWATS(base_url=url, token=TOKEN) as api:
        client: Any = private(api)._http_client
        leaks.see("api", api)
        leaks.see("services", api.product, api.process, api.report)
        leaks.see("client", client, client._circuit_breaker, vars(client._circuit_breaker))
        for value in [*vars(api).values(), *vars(client).values(), client._headers]:
            leaks.see("attribute", repr(value))
        assert (api.base_url, client.base_url, client.token) == (url, url, TOKEN)
    see(leaks, lambda: pyWATS(base_url=url))
    see(leaks, lambda: pyWATS(token=TOKEN))
    see(leaks, lambda: HttpClient(url, TOKEN, cache_ttl="x", no_such=1))  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("name", ["refused", "reset", "silent", "bad port"])
def test_credentials_among_the_headers_of_a_call(name: str, leaks: Leaks) -> None:
    headers = {"authorization": f"Basic {TOKEN}", "Cookie": TOKEN}
    given: dict[str, Any] = {"headers": headers, "retry": False}
    with base_urls() as urls:
        options: dict[str, Any] = {"timeout": TIMEOUT, "enable_cache": False}
        with pyWATS(base_url=urls[name], token="x", **options) as api:
            client: Any = private(api)._http_client
            blocking: Any = HttpClient(urls[name], "x", **options)
            for verb in ("get", "post", "put", "patch", "delete"):
                see(leaks, lambda verb=verb: drive(getattr(client, verb)("/x", **given), TIMEOUT))
                see(leaks, lambda verb=verb: getattr(blocking, verb)("/x", **given))
            for way in ("_make_request", "_execute_request"):
                see(
                    leaks,
                    lambda way=way: drive(getattr(client, way)("PUT", "/x", **given), TIMEOUT),
                )
            see(leaks, lambda: blocking._make_request("PUT", "/x", **given))
            given["headers"] = {"Authorization": TOKEN.encode()}
            see(leaks, lambda: blocking.get("/x", **given))
            given["headers"] = {"Authorization": TOKEN, 1: 2}
            see(leaks, lambda: blocking.get("/x", **given))


def test_cookies(leaks: Leaks) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(10_000)
        sock.sendall(reply(200, b"{}", [("Set-Cookie", f"a={TOKEN}; Path=/")]))
        sock.recv(10_000)

    with (
        Server(handle=handle) as server,
        pyWATS(base_url=server.url, token="x", timeout=TIMEOUT, enable_cache=False) as api,
    ):
        drive(private(api)._http_client.get("/x"), TIMEOUT)
        see(leaks, lambda: drive(private(api)._http_client.post("/x"), TIMEOUT))


def test_results_of_a_pool(leaks: Leaks) -> None:
    with base_urls() as urls:
        for url in (urls["refused"], urls["reset"], urls["401"], urls["silent"]):
            with pyWATS(base_url=url, token=TOKEN, timeout=TIMEOUT) as api:
                results = Pool(2).map_results(api.product.get_product, ["a", "b"], timeout=TIMEOUT)
                leaks.see("results", *results)


def test_a_queue_that_cannot_be_drained(leaks: Leaks, tmp_path: Path) -> None:
    with base_urls() as urls:
        for number, url in enumerate([*urls.values(), with_user_info("http://wats.example")]):
            queue = FolderQueue(tmp_path / str(number))
            queue.put({"sn": "1"})
            with pyWATS(base_url=url, token=TOKEN, timeout=TIMEOUT) as api:
                processor = QueueProcessor(queue, api, timeout=2.0, give_up_after=0.0)
                leaks.see("processor", processor, vars(processor), processor.drain(timeout=0.5))
            leaks.see("queue", queue, queue.counts(), queue.last_closure())
            queue.close()


def test_what_a_server_repeats_of_the_credentials(leaks: Leaks, tmp_path: Path) -> None:
    """A debugging proxy may answer with the request."""

    def handle(sock: socket.socket) -> None:
        sent = sock.recv(10_000)
        status = 403 if b"Report" in sent else 200
        sock.sendall(reply(status, sent, [("Connection", "close")]))

    with Server(handle=handle) as server:
        for number, url in enumerate([server.url, with_user_info(server.url)]):
            queue = FolderQueue(tmp_path / str(number))
            queue.put({"sn": "1"})
            with pyWATS(base_url=url, token=TOKEN, timeout=TIMEOUT) as api:
                processor = QueueProcessor(queue, api, give_up_after=0.0)
                leaks.see("summary", processor.drain(timeout=0.5))
            queue.close()


def test_proxies_of_the_session(leaks: Leaks) -> None:
    with base_urls() as urls:
        for name in ("refused", "garbage", "407", "bad port", "no host", "reset before"):
            for mounted in (False, True):
                proxy = urls[name].replace("base-", "proxy-")

                def call(proxy: str = proxy, mounted: bool = mounted) -> None:
                    with pyWATS(base_url="http://wats.example", token=TOKEN) as api:
                        session_of(api).proxies = {"http": proxy}
                        if mounted:
                            session_of(api).mount("http://", HTTPAdapter())
                        leaks.see("session", session_of(api))
                        api.product.get_product("x")

                see(leaks, call)
