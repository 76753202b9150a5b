"""Single exchanges, and faults of every kind, against the scripted server.

Each row runs on a new client, once through `pyWATS` and once through `HttpClient`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from pywats.core.config import RetryConfig as CallRetryConfig
from pywats.core.config import SyncConfig
from pywats.core.retry import RetryConfig

NO_LIMIT = SyncConfig(timeout=None)
SHORT = 0.4
QUICK = RetryConfig(base_delay=0.01, jitter=False)
MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Step:
    """A call of a client's method.

    Attributes:
        verb: The method: "get", "post", and so on; "close" has the server close the connections
            that "/then-close" left open.
        endpoint: Its first argument.
        arguments: The rest.
    """

    verb: str
    endpoint: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """A row.

    Attributes:
        name: For the report of the test.
        steps: What is called, one after the other, each whatever became of those before.
        base: The base URL, with the scripted server's ports by name.
        options: For the client's constructor.
    """

    name: str
    steps: tuple[Step, ...]
    base: str
    options: dict[str, Any]


def get(endpoint: str, **arguments: Any) -> Step:
    """Make a step that sends a GET."""
    return Step("get", endpoint, arguments)


def post(endpoint: str, **arguments: Any) -> Step:
    """Make a step that sends a POST."""
    return Step("post", endpoint, arguments)


def put(endpoint: str, **arguments: Any) -> Step:
    """Make a step that sends a PUT."""
    return Step("put", endpoint, arguments)


def delete(endpoint: str, **arguments: Any) -> Step:
    """Make a step that sends a DELETE."""
    return Step("delete", endpoint, arguments)


def patch(endpoint: str, **arguments: Any) -> Step:
    """Make a step that sends a PATCH."""
    return Step("patch", endpoint, arguments)


CLOSE = Step("close", "", {})


def row(name: str, *steps: Step, base: str = "http://{a}", **options: Any) -> Exchange:
    """Make a row."""
    return Exchange(name, steps, base, options)


ANSWERS = (
    "/binary", "/big-binary", "/bom", "/charset/latin-1", "/charset/quoted", "/charset/unknown",
    "/charset/upper", "/charset/utf-16", "/chunked", "/chunked/trailer", "/continue", "/deflate",
    "/deflate/raw", "/early-hints", "/early-hints/late", "/header/utf-8", "/empty",
    "/empty/object", "/empty/list", "/empty/null", "/empty/space", "/empty/string",
    "/gzip", "/gzip/broken", "/gzip/empty", "/gzip/short",
    "/gzip/twice", "/gzip/unknown", "/gzip/x", "/header/latin-1", "/header/repeated",
    "/header/spaced", "/html", "/json/deep", "/json/duplicate", "/json/long-integer",
    "/json/nan", "/json/numbers", "/json/scalar", "/json/surrogate", "/json/text-type",
    "/json/truncated", "/json/utf-16", "/length/none", "/length/old", "/no-reason", "/odd-bytes",
    "/announced-close",
)  # fmt: skip

STATUSES = (
    200, 201, 202, 204, 206, 304, 400, 401, 402, 403, 404, 405, 408, 409, 410, 418, 422, 429, 451,
    500, 501, 502, 503, 504, 507, 599,
)  # fmt: skip

BROKEN = (
    "/cut", "/cut/head", "/cut/chunk", "/eof", "/garbage", "/header/bad", "/length/wrong", "/rst",
    "/rst/after",
)  # fmt: skip

PATHS = (
    "/a b", "/a#b", "/a?b=1", "/a?b=1#c", "/a/../b", "/../..", "/./a/.", "/a//b", "//a/b", "/a%b",
    "/100% sure", "/Ærø 50%", "/%C3%86", "/%c3%86", "/%2e%2e/a", "/a%20b", "/a%2Fb", "/a+b",
    "/ærlig/☃/𝄞", "/a'b", '/a"b', "/a[1]", "/a{1}", "/a|b", "/a^b", "/a`b", "/a<b>", "/a\\b",
    "/a;b=c,d", "/a:b@c", "/!$&()*=~", "/a?q=ø&r=a b", "/a?q='\"", "/a?", "/a?q=%41%zz", "no-slash",
    "", "/", "/a\tb", "/a\nb", "/a\x7fb", "/a\x00b", "http://{b}/elsewhere", "/" + "x" * 3000,
    "/a?=1&&b", "/é", "/e\u0301", "/api/Product/O'Hara", "/a%", "/%", "/a?b=%",
)  # fmt: skip

PARAMS: tuple[Any, ...] = (
    None, {}, {"a": None}, {"a": 1, "b": None}, {"a": True, "b": False}, {"a": [1, 2], "b": []},
    {"a": ["x", None, True]}, {"a": ("x", "y")}, {"a": "b c"}, {"a": "ø☃"}, {"a": "O'Hara"},
    {"a": 'say "hi"'}, {"$filter": "partNumber eq 'A' and x ne null", "$top": 5}, {"a": "1&b=2"},
    {"a": "1+1=2"}, {"a": "a/b?c#d%e"}, {"a b": "c", "ø": ""}, {"a": 1.5, "b": 1e400},
    {"a": MOMENT}, {"a": UUID(int=1)}, {"a": b"bytes"}, {"a": {"b": 1}}, {1: 2}, {"a": "\n"},
    {"a": "~-._!*()"}, {"a": "x" * 2000}, {"": "x"}, {"a": "%41"}, {"a": {"s"}},
)  # fmt: skip

BODIES: tuple[Any, ...] = (
    None, {}, [], {"a": 1, "b": [True, None, 2.5], "ø": "☃"}, [1, "a"], "text ø", "", b"",
    b"\x00\xff", bytearray(b"array"), {"a": float("nan")}, [float("inf")], {"a": MOMENT},
    {"a": (1, 2)}, {"a": {1, 2}}, {"a": b"x"}, (1, 2), ("a", "b"), (b"a", b"b"), 5, 2.5, True,
    False, 0, {1: 2, None: 3, False: 4}, {(1, 2): 3},
    {"a": UUID(int=1)}, MOMENT, {"a": "\ud800"}, "\ud800",
    {"a": 10**30, "b": 1e-7}, {"quote\"\\": "\x00\x1f\u2028/"}, range(3), {1, 2},
)  # fmt: skip

XML = {"Content-Type": "application/xml"}
HEADERS: tuple[Any, ...] = (
    {}, {"X-New": "1", "Accept": "*/*"}, {"authorization": "Bearer mine"}, {"X": "ø"}, {"X": "☃"},
    {"X": "a\r\nY: b"}, {"X": 5}, {"X": None}, {"Bad name": "x"}, {"Ø": "x"}, {"": "x"},
    {"Content-Length": "0"}, {"Cookie": "mine=1"}, {"X": b"bytes"}, {"X": ""}, {"X": " a "},
    {"Host": "example.com"}, {"Accept-Encoding": "identity"},
)  # fmt: skip

REDIRECTS = tuple(
    f"/redirect/{status}/{where}"
    for status in (301, 302, 303, 307, 308)
    for where in ("same", "cross", "name", "user")
)

ODD_REDIRECTS = (
    "/redirect/loop", "/redirect/loop/2", "/redirect/nowhere", "/redirect/other-scheme",
    "/redirect/bad-port", "/redirect/relative", "/redirect/spaced",
    "/redirect/same-query", "/redirect/fragment", "/redirect/300", "/redirect/304",
    "/redirect/network-path", "/redirect/host-upper", "/redirect/302/refused", "/hops/20",
    "/hops/19",
)  # fmt: skip

BASES = (
    "http://{a}/", "http://{a}/api", "http://{a}/api/", "http://{a}//", "http://{a}/prefix",
    "http://{a}/pre fix/ø/", "http://{a}/prefix/api", "http://{a}/a%20b", "HTTP://{a}",
    "http://{a}?x=1", "http://{a}/p?x=1", "http://{a}#part", "http://me:secret@{a}",
    "{a}", "localhost", "ftp://{a}", "http://", "http:///x", "", "https://", "://x", "http://[::1",
    "http://a b/", "http://127.0.0.1:99999", "http://127.0.0.1:no", "/only/path",
    "http://{refused}", "http://no-such-host.invalid", "http://-bad-.invalid",
    "http://" + "x" * 70 + ".invalid", "http://ø.invalid", "http://{tls}",
)  # fmt: skip

TOKENS = ("", "plain", "a b", "ø", "☃", " padded ", "line\nbreak", "cr\rx", "nul\0x", "tab\tx")

ROWS = (
    *(row(f"answer {path}", get(path), get("/after")) for path in ANSWERS),
    *(row(f"get status {status}", get(f"/status/{status}")) for status in STATUSES),
    *(row(f"post status {status}", post(f"/status/{status}", data=[])) for status in STATUSES),
    row("plain and bare", *(get(f"/{kind}/500") for kind in ("plain", "bare"))),
    *(row(f"broken {path}", get(path), get("/after")) for path in BROKEN),
    *(row(f"broken post {path}", post(path, data=[1]), get("/after")) for path in BROKEN),
    *(row(f"path {path[:40]!r}", get(path), put(path, params={"p": 1}, data={})) for path in PATHS),
    *(row(f"params {params!r:.60}", get("/p", params=params)) for params in PARAMS),
    *(
        row(f"params and query {params!r:.60}", get("/p?q=1&a=0", params=params))
        for params in PARAMS[:8]
    ),
    row(
        "params of every verb",
        *(step("/p", params={"a": [1, "ø"]}) for step in (get, post, put, delete, patch)),
    ),
    *(row(f"body {body!r:.60}", post("/b", data=body)) for body in BODIES),
    *(
        row(f"put body {body!r:.60}", put("/b", data=body), patch("/b", data=body))
        for body in BODIES[:9]
    ),
    row(
        "get and delete with a body", get("/b", data={"a": 1}), delete("/b", data=[1]), delete("/b")
    ),
    row("content type of a post", post("/h", data=b"<x/>", headers=XML)),
    *(row(f"headers {headers!r}", get("/h", headers=headers)) for headers in HEADERS),
    row(
        "unexpected arguments",
        get("/x", json={}),
        get("/x", timeout=5),
        get("/x", retry=False),
        post("/x", files={}),
        get("/x", cache=False),
    ),
    *(
        row(f"{path} {step.__name__}", step(path), get("/after"))
        for path in REDIRECTS
        for step in (get, post)
    ),
    *(
        row(f"{path} with body", put(path, data={"a": "ø"}), delete(path), patch(path, data="x"))
        for path in REDIRECTS
        if "same" in path or "cross" in path
    ),
    *(row(path, get(path), get("/after")) for path in ODD_REDIRECTS),
    row("redirect keeps params out", get("/redirect/302/same", params={"p": 1})),
    row("redirect of a prefix", get("/redirect/302/same"), base="http://{a}/redirect/302/same?"),
    row(
        "cookies",
        get("/cookie"),
        get("/after"),
        post("/after"),
        get("/cookie/expired"),
        get("/after"),
        get("/cookie/foreign"),
        get("/cookie/secure"),
        get("/after"),
    ),
    row(
        "cookies of a path",
        get("/cookie/deeper/set"),
        get("/after"),
        get("/cookie/deeper"),
        get("/cookie/deeper/x"),
        get("/cookie/deepest"),
        get("/cookie/default"),
        get("/after"),
        get("/cookie/x"),
    ),
    row(
        "odd cookies",
        get("/cookie/odd"),
        get("/after"),
        get("/redirect/cookie"),
        get("/redirect/302/cross"),
        get("/redirect/302/name"),
        get("/after"),
    ),
    row(
        "kept connection dies",
        get("/then-close"),
        CLOSE,
        get("/after"),
        get("/then-close"),
        CLOSE,
        post("/after", data=[1]),
        get("/then-close"),
        CLOSE,
        get("/eof"),
        get("/after"),
    ),
    row("refused", get("/x"), post("/x", data={}), base="http://{refused}"),
    row("refused, no limit", get("/x"), base="http://{refused}", sync_config=NO_LIMIT),
    row("hangs", get("/hang"), timeout=SHORT),
    row("hangs, no limit", get("/hang"), get("/after"), timeout=SHORT, sync_config=NO_LIMIT),
    row(
        "hangs half-way, no limit",
        get("/hang/half"),
        post("/hang"),
        timeout=SHORT,
        sync_config=NO_LIMIT,
    ),
    row(
        "never connects, no limit",
        get("/x"),
        base="http://{stalled}",
        timeout=SHORT,
        sync_config=NO_LIMIT,
    ),
    row(
        "limit of a call",
        get("/hang"),
        get("/after"),
        timeout=1,
        sync_config=SyncConfig(timeout=SHORT),
    ),
    row("no timeout", get("/after"), timeout=None, sync_config=NO_LIMIT),
    *(row(f"base {base!r:.40}", get("/api/App/Version"), base=base) for base in BASES),
    *(row(f"token {token!r}", get("/x"), token=token) for token in TOKENS),
    row("tls not trusted", get("/x"), base="https://{tls}", verify_ssl=True),
    row(
        "tls not verified",
        get("/x"),
        post("/x", data={"a": 1}),
        base="https://{tls}",
        verify_ssl=False,
    ),
    row(
        "tls broken off",
        get("/eof"),
        get("/cut"),
        base="https://{tls}",
        verify_ssl=False,
    ),
    row(
        "kept tls connection dies",
        get("/then-close"),
        CLOSE,
        get("/x"),
        base="https://{tls}",
        verify_ssl=False,
    ),
    row("tls never answered", get("/x"), base="https://{a}", timeout=SHORT, sync_config=NO_LIMIT),
    row("redirect to tls", get("/redirect/302/tls")),
    row("retry of a get", get("/flaky/503/2"), retry_config=QUICK),
    row("retry used up", get("/flaky/503/9"), retry_config=QUICK),
    *(
        row(f"retry of {status}", get(f"/flaky/{status}/1"), retry_config=QUICK)
        for status in (408, 429, 500, 502, 503, 504, 404)
    ),
    row("retry of a put", put("/flaky/502/1", data={"a": 1}), retry_config=QUICK),
    row("retry of a delete", delete("/flaky/504/1"), retry_config=QUICK),
    row("no retry of a post", post("/flaky/503/1", data={}), retry_config=QUICK),
    row("no retry of a patch", patch("/flaky/503/1", data={}), retry_config=QUICK),
    row("retry refused", get("/x"), base="http://{refused}", retry_config=QUICK),
    row("retry of hanging", get("/hang"), timeout=0.1, sync_config=NO_LIMIT, retry_config=QUICK),
    row("no retry of broken", get("/falling/1"), retry_config=QUICK),
    row(
        "retry asked for",
        get("/flaky/503/1", retry=True),
        retry_config=RetryConfig(enabled=False, base_delay=0.01, jitter=False),
    ),
    row("retry turned down", get("/flaky/503/1", retry=False), retry_config=QUICK),
    row("one attempt", get("/flaky/503/1"), retry_config=RetryConfig(max_attempts=1)),
    row(
        "own statuses",
        get("/flaky/418/1"),
        retry_config=RetryConfig(base_delay=0.01, jitter=False, retry_status_codes={418}),
    ),
    row(
        "wait longer than the limit",
        get("/flaky/503/1"),
        sync_config=SyncConfig(timeout=SHORT),
        retry_config=RetryConfig(base_delay=0.5, jitter=False, max_attempts=2),
    ),
    row(
        "retry after", get("/flaky/429/1/0"), retry_config=RetryConfig(base_delay=0.3, jitter=False)
    ),
    row(
        "retry of a call",
        get("/hang"),
        timeout=1,
        sync_config=SyncConfig(
            timeout=0.1, retry_enabled=True, retry=CallRetryConfig(max_retries=1, backoff=0.01)
        ),
    ),
    row("breaker opens", *(get("/x") for _ in range(7)), base="http://{refused}"),
    row("breaker and own faults", *(post("/x", data={"a": MOMENT}) for _ in range(6)), get("/x")),
    row("breaker and statuses", *(get("/status/500") for _ in range(7))),
    row("breaker forgets", *[*(get("/eof") for _ in range(4)), get("/x")] * 2),
    row("breaker of paths", *(get("/a\nb") for _ in range(6))),
    row(
        "cache",
        get("/api/Product/P", params={"a": 1}),
        get("/api/Product/P", params={"a": 1}),
        get("api/Product/P?a=1"),
        get("/api/Product/P", params={"a": "1"}),
        post("/api/Product/P"),
        get("/api/Product/P", params={"a": 1}),
        get("/status/404"),
        get("/status/404"),
        delete("/api/Product/P"),
        get("/api/Product/P", cache=False),
        enable_cache=True,
    ),
)
