"""The path of a request stays short: functions and files between a user's call and the socket."""

import sys
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from pathlib import Path
from types import FrameType

import pytest
from gevent import getcurrent
from pywats import pyWATS
from pywats.core.throttle import configure_throttling

import pywats_green
from pywats_green.testing import WatsServer
from pywats_green.upstream.tables.domains import (
    RULE_OF_GROUP,
    RULES,
    Rule,
    get_may_write,
    rule_of,
    touched_by,
    usual_rule,
)
from pywats_green.upstream.tables.writes import WRITES

ROOT = str(Path(pywats_green.__file__).parent)


def way_of(*calls: Callable[[], object]) -> tuple[int, set[str]]:
    """Return how many of this package's functions the shortest call enters, and in which files.

    An answer that arrives in pieces takes a few functions more, which is not its caller's way.
    """
    ways = []
    for call in calls:
        files = entered_by(call)
        ways.append((len(files), set(files)))
    return min(ways, key=itemgetter(0))


def entered_by(call: Callable[[], object]) -> list[str]:
    """Return the file of each of this package's functions that the call enters, in its greenlet."""
    files: list[str] = []
    caller = getcurrent()

    def note(frame: FrameType, event: str, _: object) -> None:
        if (
            event == "call"
            and frame.f_code.co_filename.startswith(ROOT)
            and getcurrent() is caller  # not a timer that an earlier test left to the hub
        ):
            files.append(frame.f_code.co_filename.removeprefix(ROOT))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return files


@pytest.mark.parametrize("enable_cache", [True, False])
def test_an_uncached_get(enable_cache: bool, server: WatsServer) -> None:
    configure_throttling(enabled=True)  # the default
    api = pyWATS(base_url=server.url, token=server.token, enable_cache=enable_cache)
    api.product.get_product("PN-00001")
    calls, files = way_of(
        *(partial(api.product.get_product, f"PN-{number:05}") for number in range(2, 12))
    )
    assert calls <= 70 + (sys.platform == "win32")  # a select in place of a poll
    assert len(files) <= 16, files


def test_a_hit(server: WatsServer) -> None:
    api = pyWATS(base_url=server.url, token=server.token)
    for _ in range(2):
        api.product.get_product("PN-00001")
    calls, files = way_of(lambda: api.product.get_product("PN-00001"))
    assert calls <= 14
    assert len(files) <= 8, files


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.prefix)
def test_the_usual_rule_is_the_rule(rule: Rule) -> None:
    prefix = rule.prefix
    tails = [
        "",
        "/",
        "/X1",
        "/X1/Y2",
        "X",
        "?a=/api/Asset",
        "#a",
        "/a%2Fb",
        "/..",
        "//x",
        "\\x",
        "/\n",
    ]
    for path in [
        *(f"{prefix}{tail}" for tail in tails),
        *(
            prefix[1:],
            prefix.upper(),
            prefix.lower(),
            f"/{prefix}",
            f"{prefix}".replace("k", "\u212a"),
        ),
    ]:
        usual = usual_rule(path)
        assert usual is None or RULE_OF_GROUP[usual.lastindex or 0] is rule_of(path), path
    assert usual_rule(f"{prefix}/X1") is not None


def test_the_quick_look_misses_no_get_that_writes() -> None:
    rows = [path for method, path, _ in WRITES if method == "GET"]
    assert rows
    for path in rows:
        spellings = [path, path.upper(), path.lower(), path.replace("o", "%6F"), f"{path}?a=1"]
        for spelled in spellings:
            assert touched_by("GET", spelled)
            assert get_may_write(spelled)
    assert not get_may_write("/api/Product/PN-00001")


def test_listeners_that_were_switched_off_leave_it_as_short(server: WatsServer) -> None:
    api = pyWATS(base_url=server.url, token=server.token, enable_cache=False)
    api.product.get_product("PN-00001")
    calls = [partial(api.product.get_product, "PN-00001")] * 10
    before = way_of(*calls)
    pywats_green.configure(tracing=True, log_calls=True)
    assert way_of(*calls)[0] > before[0]
    pywats_green.configure(tracing=False, log_calls=False)
    assert way_of(*calls) == before
