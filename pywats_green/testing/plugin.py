"""A pytest plugin: the fixture `max_requests`, which fails a test that sends too many requests.

Importing it imports pywats_green, which patches the process. So it is not registered as an entry
point, which would patch every pytest run in the environment. A project enables it with
`addopts = "-p pywats_green.testing.plugin"` in its pytest settings, so that it is imported before
everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import TypeAlias

import pytest

from pywats_green.profiler import QueryProfile
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
        if sent > self._most:
            pytest.fail(
                f"{sent:,} requests were sent, at most {self._most:,} were allowed\n\n"
                f"{self.profile.report()}",
                pytrace=False,
            )


MaxRequests: TypeAlias = Callable[[int], RequestLimit]

_LIMITS = pytest.StashKey[list[RequestLimit]]()


@pytest.fixture
def max_requests(request: pytest.FixtureRequest) -> Iterator[MaxRequests]:
    """Fail the test if green clients send more requests than allowed.

    `max_requests(10)` counts until the end of the test, `with max_requests(10):` until the end of
    the block. It counts what `pywats_green.profile_queries()` records, whose report is the message.
    """
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
