"""What the fixtures of the pytest plugin do, loaded when a test asks for one.

The plugin itself, `pywats_green_plugins.pytest_plugin`, is loaded in every run of pytest, so it
must not import this package, which would patch them all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, TypeAlias

import pytest
from pywats import pyWATS
from pywats.core.throttle import configure_throttling, get_default_limiter

from pywats_green import is_active
from pywats_green.profiler import QueryProfile
from pywats_green.testing.server import WatsServer
from pywats_green.upstream.client import epochs, gates
from pywats_green.upstream.features.profiling import profile_queries


class RequestLimit:
    """Counts requests, and fails the test if there are too many.

    It counts from its creation to the end of the test or, as a context manager, to the end of the
    block.

    Args:
        most: Maximum number of requests, including retries. Calls answered by the cache or a batch
            send none.

    Attributes:
        profile: What has been recorded so far.
        is_block: Whether it was used as a context manager, and needs no check at the end.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.is_block = False
        self._block = ExitStack()
        self.profile: QueryProfile = self._block.enter_context(profile_queries())

    def __enter__(self) -> QueryProfile:
        self.is_block = True
        return self.profile

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        if error is None:  # the block's own error is more useful
            self.check()

    def end(self) -> None:
        """Stop counting."""
        self._block.close()

    def check(self) -> None:
        """Fail the test if there were too many.

        Raises:
            pytest.fail.Exception: There were; the message has the profile's report.
        """
        __tracebackhide__ = True
        sent = self.profile.request_count
        noun = "request was" if sent == 1 else "requests were"
        if sent > self._most:
            pytest.fail(
                f"{sent:,} {noun} sent, at most {self._most:,} allowed\n\n{self.profile.report()}",
                pytrace=False,
            )


MaxRequests: TypeAlias = Callable[[int], RequestLimit]

_LIMITS = pytest.StashKey[list[RequestLimit]]()


def limits_of(request: pytest.FixtureRequest) -> Iterator[MaxRequests]:
    """Yield what `max_requests` is to a test."""
    manager = request.config.pluginmanager
    if not manager.has_plugin(__name__):
        manager.register(sys.modules[__name__], __name__)  # for the hook below
    limits = request.node.stash[_LIMITS] = []

    def limit(most: int) -> RequestLimit:
        made = RequestLimit(most)
        limits.append(made)
        return made

    yield limit
    for made in limits:
        made.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Check the limits once the test has passed; a fixture could only report an error."""
    result = yield
    for limit in item.stash.get(_LIMITS, []):
        if not limit.is_block:
            limit.end()
            limit.check()
    return result


def renew(server: WatsServer) -> None:
    """Seed a server anew, and forget what other tests did to it in this process."""
    server.reset()
    if is_active():
        gates.forget_all()  # one may still be closed
        epochs.unsettled.clear()  # by writes that were killed


def client_of(server: WatsServer) -> pyWATS:
    """Return a client of a server, without upstream's rate limit; other clients keep theirs."""
    theirs = get_default_limiter()
    configure_throttling(enabled=False)
    try:
        make: Any = pyWATS  # whose own stub lacks some arguments
        client: pyWATS = make(base_url=server.url, token=server.token)
        return client
    finally:
        configure_throttling(theirs.max_requests, theirs.window_seconds, theirs.enabled)
