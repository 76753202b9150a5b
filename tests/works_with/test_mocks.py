"""Mocks and instrumentation of httpx and requests, with the real packages."""

from processes import needs, run, write

# Prints how many requests the real server got, and what the caller saw.
START = """
    import pywats_green
    import httpx
    import requests
    from pywats import pyWATS
    from pywats.core.client import HttpClient
    from pywats_green.testing import WatsServer
    from pywats_green.upstream.client import mocks

    server = WatsServer(record=True).start()
    api = pyWATS(base_url=server.url, token=server.token, enable_cache=False)
    blocking = HttpClient(server.url, server.token, enable_cache=False)
    PATH = "/api/Product/PN-00001"
    MINE = {"partNumber": "MINE"}

    def read(number="PN-00001"):
        return api.product.get_product(number).part_number

    def read_blocking():
        return blocking.get(PATH).data["partNumber"]

    def total():
        return server.stats()["total"]

    def is_green():
        agent = dict(server.requests()[-1].headers)["User-Agent"]
        return agent.startswith("pywats-green")

    assert read() == read_blocking() == "PN-00001" and total() == 2
"""
END = """
    assert read() == read_blocking() == "PN-00001" and is_green()
    server.stop()
    print("done")
"""


def check(script, source, **env):
    done = script(START + source + END, **env)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@needs("respx")
def test_respx(script):
    check(script, """
    import respx

    with respx.mock:
        route = respx.get(path=PATH).respond(json=MINE)
        respx.get(path="/api/Product/PN-00002").pass_through()
        assert read() == read_blocking() == "MINE" and route.call_count == 2 and total() == 2
        assert read("PN-00002") == "PN-00002" and is_green()
        try:
            read("PN-00003")
        except Exception as exc:
            assert "not mocked" in str(exc)
        else:
            raise AssertionError("it went out")
    with respx.mock(using="httpx") as router:
        router.get(path=PATH).respond(json=MINE)
        assert read() == read_blocking() == "MINE" and total() == 3
    """)  # fmt: skip


@needs("vcrpy")
def test_vcrpy(script):
    check(script, """
    import vcr

    with vcr.use_cassette("cassette.yaml", record_mode="once"):
        assert read() == "PN-00001" and is_green() and total() == 3
    with vcr.use_cassette("cassette.yaml", record_mode="none") as cassette:
        assert read() == "PN-00001" and cassette.play_count == 1 and total() == 3
    """)  # fmt: skip


@needs("responses")
def test_responses(script):
    check(script, """
    import responses

    with responses.RequestsMock() as mocked:
        mocked.get(server.url + PATH, json=MINE)
        mocked.add_passthru(server.url + "/api/Product/PN-00002")
        assert read() == read_blocking() == "MINE" and total() == 2
        assert read("PN-00002") == "PN-00002"
    """)  # fmt: skip


@needs("requests-mock")
def test_requests_mock(script):
    check(script, """
    import requests_mock

    with requests_mock.Mocker() as mocked:
        mocked.get(server.url + PATH, json=MINE)
        assert read() == read_blocking() == "MINE" and total() == 2
    adapter = requests_mock.Adapter()
    adapter.register_uri("GET", server.url + PATH, json=MINE)
    session = pywats_green.session_of(api)
    session.mount(server.url, adapter)
    assert read() == "MINE" and total() == 2
    del session.adapters[server.url]
    """)  # fmt: skip


@needs("opentelemetry-instrumentation-httpx", "opentelemetry-sdk", "respx")
def test_opentelemetrys_instrumentation_of_httpx(script):
    check(script, """
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    import respx

    HTTPXClientInstrumentor().instrument()
    assert httpx.AsyncHTTPTransport.handle_async_request.__wrapped__
    assert read() == read_blocking() == "PN-00001" and is_green() and total() == 4
    assert mocks.ASYNC.read(mocks.STACK) == mocks.ASYNC.harmless  # judged once
    with respx.mock:
        respx.get(path=PATH).respond(json=MINE)
        assert read() == read_blocking() == "MINE" and total() == 4
    HTTPXClientInstrumentor().uninstrument()
    """, PYTHONWARNINGS="default")  # fmt: skip


@needs("opentelemetry-instrumentation-httpx", "opentelemetry-sdk", "respx")
def test_tracing_beside_opentelemetrys_instrumentation(script):
    check(script, """
    import asyncio
    from opentelemetry import trace
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from pywats import AsyncWATS
    import respx

    exporter = InMemorySpanExporter()
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    HTTPXClientInstrumentor().instrument()
    pywats_green.configure(tracing=True)

    def made_by():
        found = [span.instrumentation_scope.name for span in exporter.get_finished_spans()]
        exporter.clear()
        return found

    assert read() == "PN-00001" and is_green() and made_by() == ["pywats_green"]
    with respx.mock:  # through httpx, whose instrumentation would add a span
        respx.get(path=PATH).respond(json=MINE)
        assert read() == "MINE" and made_by() == ["pywats_green"]
        sent = respx.calls.last.request.headers["traceparent"]
        assert sent.startswith("00-") and "," not in sent

    async def read_asynchronously():
        async with AsyncWATS(base_url=server.url, token=server.token) as other:
            await other.product.get_product("PN-00001")

    asyncio.run(read_asynchronously())
    assert made_by() == ["opentelemetry.instrumentation.httpx"]
    pywats_green.configure(tracing=False)
    HTTPXClientInstrumentor().uninstrument()
    """, PYTHONWARNINGS="default")  # fmt: skip


@needs("opentelemetry-instrumentation-requests", "opentelemetry-sdk")
def test_tracing_beside_opentelemetrys_instrumentation_of_requests(script):
    check(script, """
    from opentelemetry import trace
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    RequestsInstrumentor().instrument()
    pywats_green.configure(tracing=True)
    session = pywats_green.session_of(api)
    session.mount(server.url, requests.adapters.HTTPAdapter())  # so requests sends the requests
    assert read() == "PN-00001"
    (span,) = exporter.get_finished_spans()
    assert span.instrumentation_scope.name == "pywats_green"
    sent = [value for name, value in server.requests()[-1].headers if name == "traceparent"]
    assert len(sent) == 1 and f"{span.context.span_id:016x}" in sent[0]
    del session.adapters[server.url]
    pywats_green.configure(tracing=False)
    RequestsInstrumentor().uninstrument()
    """, PYTHONWARNINGS="default")  # fmt: skip


@needs("sentry-sdk", "respx")
def test_sentrys_instrumentation_of_httpx(script):
    check(script, """
    import sentry_sdk
    import respx
    from sentry_sdk.integrations.httpx import HttpxIntegration

    sentry_sdk.init(dsn=None, integrations=[HttpxIntegration()])
    assert "sentry" in str(httpx.AsyncClient.send.__globals__["__name__"])
    assert read() == read_blocking() == "PN-00001" and is_green() and total() == 4
    assert mocks.ASYNC.read(mocks.STACK) == mocks.ASYNC.harmless
    with respx.mock:
        respx.get(path=PATH).respond(json=MINE)
        assert read() == read_blocking() == "MINE" and total() == 4
    """)  # fmt: skip


@needs("pytest-httpx")
def test_pytest_httpx(tmp_path):
    write(tmp_path / "test_mine.py", """
        import pywats_green
        from pywats import pyWATS

        def test_it(httpx_mock):
            httpx_mock.add_response(json={"partNumber": "MINE"})
            api = pyWATS(base_url="http://127.0.0.1:9", token="dG9rZW4=")
            assert api.product.get_product("PN-1").part_number == "MINE"
            assert httpx_mock.get_request().headers["Authorization"] == "Basic dG9rZW4="
    """)  # fmt: skip
    done = run("-m", "pytest", "-q", "-p", "pywats_green", "test_mine.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
