"""Spans and log records of calls, with OpenTelemetry's SDK, over real sockets."""

import logging
import re
from pathlib import Path
from typing import Any

import gevent
import pytest
from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.core.config import SyncConfig
from pywats.core.exceptions import AuthenticationError, PyWATSError
from pywats.core.retry import RetryConfig

from pywats_green import (
    FolderQueue,
    Pool,
    QueueProcessor,
    SettingsError,
    batching,
    configure,
    events,
)
from pywats_green.events import RequestEvent
from pywats_green.testing import WatsServer

ROUTE = "/api/Product/{part_number}"
QUERY = "/api/Product/Query"


@pytest.fixture(scope="module")
def exporter():
    found = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    trace.set_tracer_provider(provider)
    return found


@pytest.fixture
def spans(exporter):
    configure(tracing=True)
    exporter.clear()
    yield exporter.get_finished_spans
    configure(tracing=False)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def ids_sent(server: WatsServer) -> list[tuple[str, str]]:
    """The ids of trace and span of each request that the server got."""
    found = []
    for request in server.requests():
        sent = dict(request.headers).get("traceparent", "")
        match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[13]", sent)
        assert match, request
        found.append((match[1], match[2]))
    return found


def ids_of(span: ReadableSpan) -> tuple[str, str]:
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


# --- one call, one span ----------------------------------------------------------------------


def test_a_span_has_the_names_of_the_conventions(spans, api: pyWATS, server: WatsServer):
    api.product.get_product("PN-00001")
    (span,) = spans()
    assert (span.name, span.kind) == (f"GET {ROUTE}", SpanKind.CLIENT)
    found = attributes(span)
    assert re.fullmatch("[0-9a-f]{8}", found.pop("pywats.correlation_id"))
    assert found.pop("pywats_green.admission.wait") == 0.0
    assert found == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": f"{server.url}/api/Product/PN-00001",
        "url.template": ROUTE,
        "server.address": "127.0.0.1",
        "server.port": int(server.url.rpartition(":")[2]),
        "pywats.domain": "product",
        "pywats_green.attempts": 1,
        "pywats_green.batched": False,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert ids_sent(server) == [ids_of(span)]


def test_what_the_cache_did(spans, server: WatsServer):
    with pyWATS(base_url=server.url, token=server.token) as api:
        Pool(2).map(api.product.get_product, ["PN-00001", "PN-00001"])
        api.product.get_product("PN-00001")
    outcomes = [attributes(span)["pywats_green.cache"] for span in spans()]
    assert sorted(outcomes) == ["coalesced", "hit", "miss"]
    assert outcomes[2] == "hit"
    assert spans()[2].kind is SpanKind.INTERNAL
    assert len(ids_sent(server)) == 1


def test_attempts_share_the_span(spans, server: WatsServer):
    retries = RetryConfig(max_attempts=3, base_delay=0.0, jitter=False)
    server.fail("GET /api/Product/{partNumber}", status=503, times=2)
    with pyWATS(
        base_url=server.url, token=server.token, retry_config=retries, retry_enabled=True
    ) as api:
        api.product.get_product("PN-00001")
    (span,) = spans()
    assert attributes(span)["pywats_green.attempts"] == 3
    assert attributes(span)["http.request.resend_count"] == 2
    assert ids_sent(server) == [ids_of(span)] * 3


def test_an_answer_that_is_an_error(spans, api: pyWATS, server: WatsServer):
    server.fail("GET /api/Product/{partNumber}", status=500)
    with pytest.raises(Exception, match="500"):
        api.product.get_product("PN-00001")
    (span,) = spans()
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "500"


def test_a_call_that_raises(spans, api: pyWATS, server: WatsServer):
    server.fail("POST /api/Report/WSJF", mode="reset")
    with pytest.raises(Exception, match="request failed"):
        api.report.submit_report({"id": "1"})
    (span,) = spans()
    assert attributes(span)["error.type"] == "pywats.core.exceptions.PyWATSError"
    assert [event.name for event in span.events] == ["exception"]
    assert "http.response.status_code" not in attributes(span)
    assert server.token not in span.to_json()


def test_a_call_that_is_killed(spans, api: pyWATS, server: WatsServer):
    server.fail("GET /api/Product/{partNumber}", mode="hang")
    call = gevent.spawn(api.product.get_product, "PN-00001")
    while not server.requests():
        gevent.sleep(0)
    call.kill()
    (span,) = spans()
    assert attributes(span)["error.type"] == "greenlet.GreenletExit"
    assert span.status.status_code is StatusCode.ERROR


def test_the_plain_blocking_client(spans, server: WatsServer):
    with HttpClient(server.url, server.token) as client:
        client.get("/api/Product/PN-00001")
    (span,) = spans()
    assert span.name == f"GET {ROUTE}"
    assert "pywats.correlation_id" not in attributes(span)
    assert ids_sent(server) == [ids_of(span)]


def test_the_callers_own_header_takes_precedence(spans, server: WatsServer):
    with HttpClient(server.url, server.token) as client:
        client.get("/api/Product/PN-00001", headers={"Traceparent": "mine"})
    sent = [v for k, v in server.requests()[-1].headers if k.lower() == "traceparent"]
    assert sent == ["mine"]


def test_no_password_and_no_token_in_a_span(spans, server: WatsServer):
    url = server.url.replace("//", "//jo:hidden-password@")
    with (
        pyWATS(base_url=url, token=server.token, enable_cache=False) as api,
        pytest.raises(AuthenticationError),  # the user info stands in for the token, as upstream
    ):
        api.product.get_product("PN-00001")
    (span,) = spans()
    assert "hidden-password" not in span.to_json()
    assert server.token not in span.to_json()


def test_what_is_named_like_a_secret_is_not_in_the_url(spans, server: WatsServer):
    params = {"apiToken": "hidden", "PASSWORD": "hidden", "sig": "hidden", "design": "shown"}
    with HttpClient(server.url, server.token) as client:
        client.get("/api/Product/PN-00001?access_token=hidden&x=1&token=hidden#top")
        client.get("/api/Product/PN-00001", params=params)
    first, second = (attributes(span)["url.full"].partition("PN-00001")[2] for span in spans())
    assert first == "?access_token=REDACTED&x=1&token=REDACTED#top"
    assert second == "?apiToken=REDACTED&PASSWORD=REDACTED&sig=REDACTED&design=shown"


def test_an_exporter_can_encode_every_attribute(spans, server: WatsServer):
    """One that it cannot encode would cost all spans of its batch."""
    with HttpClient(server.url, server.token) as client, pytest.raises(PyWATSError):
        client.get("/nowhere/\udcff", params={"\udcff": "\udcff"})
    (span,) = spans()
    assert span.to_json().isascii()
    for text in (span.name, span.status.description, *attributes(span).values()):
        assert str(text).encode()


def test_a_span_ends_also_where_its_error_has_no_text(spans):
    class Mute(Exception):  # noqa: N818  # as a user's may be called
        def __str__(self) -> str:
            raise RuntimeError

    event = RequestEvent("GET", "/x", None, "http://server", str, str)
    with pytest.raises(Mute), event:
        raise Mute
    (span,) = spans()
    assert attributes(span)["error.type"].endswith("Mute")


@pytest.mark.parametrize("port", ["99999", "eighty"])
def test_a_server_without_a_real_port(spans, caplog, port: str):
    with (
        pyWATS(base_url=f"http://127.0.0.1:{port}", token="x") as api,
        pytest.raises(PyWATSError),
    ):
        api.product.get_product("PN-00001")
    (span,) = spans()
    assert "server.port" not in attributes(span)
    assert "a listener failed" not in caplog.text


# --- whose child it is -----------------------------------------------------------------------


def test_a_pool_keeps_the_parent(spans, api: pyWATS):
    with trace.get_tracer("mine").start_as_current_span("mine") as mine:
        Pool(3).map(api.product.get_product, ["PN-00001", "PN-00002", "PN-00003"])
        Pool(3).submit(api.product.get_product, "PN-00004").result(timeout=30)
        assert trace.get_current_span() is mine
    *calls, _ = spans()
    assert len(calls) == 4
    assert {parent_of(span) for span in calls} == {mine.get_span_context().span_id}


def test_a_query_is_a_child_of_a_call_that_it_answers(spans, api: pyWATS, server: WatsServer):
    def look_up():
        with batching():
            Pool(4).map(api.product.get_product, [f"PN-{number:05}" for number in range(4)])

    look_up()  # proves the route
    before = len(spans())
    server.clear_requests()
    with trace.get_tracer("mine").start_as_current_span("mine") as mine:
        look_up()
    found = spans()[before:]
    (query,) = [span for span in found if span.name == f"GET {QUERY}"]
    calls = [span for span in found if span.name == f"GET {ROUTE}"]
    assert [attributes(span)["pywats_green.batched"] for span in calls] == [True] * 4
    assert {parent_of(span) for span in calls} == {mine.get_span_context().span_id}
    assert parent_of(query) in {span.context.span_id for span in calls}
    assert ids_sent(server) == [ids_of(query)]


def test_a_drain_keeps_the_parent(spans, api: pyWATS, tmp_path: Path):
    queue = FolderQueue(tmp_path)
    for number in range(3):
        queue.put(api.report.create_uut_report("Jo", "PN-1", "A", f"SN-{number}", 10))
    with trace.get_tracer("mine").start_as_current_span("mine") as mine:
        assert QueueProcessor(queue, api).drain().submitted == 3
    sent = [span for span in spans() if span.name.startswith("POST /api/Report/WSJF")]
    assert len(sent) == 3
    assert {parent_of(span) for span in sent} == {mine.get_span_context().span_id}


# --- on and off ------------------------------------------------------------------------------


def test_off_it_costs_and_sends_nothing(exporter, api: pyWATS, server: WatsServer):
    configure(tracing=True, log_calls=True)
    configure(tracing=False, log_calls=False)
    exporter.clear()
    assert events.listeners == ()
    api.product.get_product("PN-00001")
    assert exporter.get_finished_spans() == ()
    assert "traceparent" not in dict(server.requests()[-1].headers)


def test_on_twice_it_makes_one_span(spans, api: pyWATS):
    configure(tracing=True)
    configure(dns_ttl=60.0)
    api.product.get_product("PN-00001")
    assert len(spans()) == 1


def test_a_span_that_began_also_ends(spans, api: pyWATS):
    cancel = events.subscribe(print, on_start=lambda _: configure(tracing=False))
    try:
        api.product.get_product("PN-00001")
    finally:
        cancel()
    assert len(spans()) == 1
    assert not trace.get_current_span().get_span_context().is_valid


def test_where_instrumentation_is_suppressed_there_is_no_span(
    spans, api: pyWATS, server: WatsServer
):
    token = context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        api.product.get_product("PN-00001")
    finally:
        context.detach(token)
    assert spans() == ()
    assert "traceparent" not in dict(server.requests()[-1].headers)


def test_without_opentelemetry_nothing_changes(run_python):
    done = run_python(
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "import pywats_green\n"
        "try:\n"
        "    pywats_green.configure(tracing=True, dns_ttl=5)\n"
        "except pywats_green.SettingsError as exc:\n"
        "    assert 'pip install \"pywats-green[otel]\"' in str(exc)\n"
        "else:\n"
        "    raise AssertionError('it was accepted')\n"
        "assert pywats_green.settings().dns_ttl == 60.0\n"
        "assert not pywats_green.settings().tracing\n"
    )
    assert done.returncode == 0, done.stderr


def test_it_is_switched_on_by_the_environment(run_python):
    done = run_python(
        "import pywats_green\n"
        "assert pywats_green.settings().tracing and pywats_green.settings().log_calls\n"
        "assert len(pywats_green.events.listeners) == 2\n",
        env={"PYWATS_GREEN_TRACING": "1", "PYWATS_GREEN_LOG_CALLS": "true"},
    )
    assert done.returncode == 0, done.stderr


def test_settings_that_are_no_flags():
    with pytest.raises(SettingsError, match="tracing must be True or False"):
        configure(tracing="yes")  # type: ignore[arg-type]


# --- the log of calls ------------------------------------------------------------------------


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="pywats_green.calls")
    configure(log_calls=True)
    yield lambda: [record for record in caplog.records if record.name == "pywats_green.calls"]
    configure(log_calls=False)


def test_a_call_is_a_record(records, api: pyWATS, server: WatsServer):
    api.product.get_product("PN-00001")
    server.fail("GET /api/Product/{partNumber}", status=500)
    with pytest.raises(Exception, match="500"):
        api.product.get_product("PN-00001")
    good, bad = records()
    assert re.fullmatch(rf"GET {ROUTE}: HTTP 200 after \d\.\d{{3}} s", good.getMessage())
    assert (good.levelno, bad.levelno) == (logging.INFO, logging.WARNING)
    assert (good.domain, good.route, good.attempt) == ("product", ROUTE, 1)
    assert (good.method, good.status, good.cache) == ("GET", 200, None)
    assert good.duration > good.waited == 0.0
    assert len(good.correlation_id) == 8
    assert good.correlation_id != bad.correlation_id
    assert server.token not in good.getMessage()


def test_a_record_tells_where_an_answer_came_from(records, server: WatsServer):
    with pyWATS(base_url=server.url, token=server.token) as api:
        api.product.get_product("PN-00001")
        api.product.get_product("PN-00001")
    assert "HTTP 200 (hit) after" in records()[1].getMessage()


def test_a_call_without_a_correlation_id(records, server: WatsServer):
    off = SyncConfig(correlation_id_enabled=False)
    with pyWATS(base_url=server.url, token=server.token, sync_config=off) as api:
        api.product.get_product("PN-00001")
    assert records()[0].correlation_id is None


def test_a_record_is_made_inside_its_span(records, spans, api: pyWATS):
    seen = []
    handler = logging.Handler()
    handler.emit = lambda _: seen.append(trace.get_current_span().get_span_context().span_id)  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("pywats_green.calls")
    logger.addHandler(handler)
    try:
        api.product.get_product("PN-00001")
    finally:
        logger.removeHandler(handler)
    assert seen == [spans()[0].context.span_id]


def test_a_retry_is_a_record_with_the_same_names(server: WatsServer, caplog):
    caplog.set_level(logging.INFO, logger="pywats.core.async_client")
    retries = RetryConfig(max_attempts=2, base_delay=0.0, jitter=False)
    server.fail("GET /api/Product/{partNumber}", status=503)
    with pyWATS(
        base_url=server.url, token=server.token, retry_config=retries, retry_enabled=True
    ) as api:
        api.product.get_product("PN-00001")
    (record,) = [record for record in caplog.records if record.getMessage().startswith("Retry")]
    assert (record.domain, record.route, record.attempt) == ("product", ROUTE, 1)
    assert record.duration > 0
    assert len(record.correlation_id) == 8
