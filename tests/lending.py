"""Shared by the tests of lent loops."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import gevent
import greenlet
import pytest

from pywats_green import bridge
from pywats_green.bridge import MAY_BLOCK
from pywats_green.patching import running_loops

needs_loops = pytest.mark.skipif(
    running_loops.missing() is not None, reason=f"no loops here: {running_loops.missing()}"
)
# pytest would make an error of it again, and end asyncio's loop.
short_waits = pytest.mark.filterwarnings("ignore:libuv only supports millisecond timer")
since_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout and others")


@pytest.fixture(autouse=True)
def cooperative() -> Iterator[None]:
    if sys.platform == "win32":  # the default one waits natively, and stops every greenlet
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    yield
    if sys.platform == "win32":
        asyncio.set_event_loop_policy(None)


@pytest.fixture(autouse=True)
def taken_back() -> Iterator[None]:
    """Every loop is taken back, and nothing of it stays behind."""
    yield
    assert not bridge._loans
    assert not running_loops.LOOPING
    assert asyncio._get_running_loop() is None
    assert greenlet.gettrace() is None
    assert tuple(sys.get_asyncgen_hooks()) == (None, None)


async def later(value: Any = None) -> Any:
    await asyncio.sleep(0.001)
    return value


async def green(value: Any = None) -> Any:
    await MAY_BLOCK
    gevent.sleep(0.001)
    return value


async def forever() -> None:
    await asyncio.Event().wait()
