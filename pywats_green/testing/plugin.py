"""A pytest plugin: the fixture `max_requests`, which fails a test that sends too many requests.

Importing it imports pywats_green, which patches the process. So it is no entry point, which would
do that to every pytest run of the environment; a project asks for it, before anything else is
imported, in its pytest settings: `addopts = "-p pywats_green.testing.plugin"`.
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
    """Counts requests, and fails the test where they are too many.

    It counts from the moment it is made: to the end of the test, or, used in a `with`, to the end
    of that block.

    Args:
        most: Requests that may be sent, retries included; what the cache or a batch answers is
            none.

    Attributes:
        profile: What was recorded so far.
        is_block: Whether it was used in a `with`, and so is not looked at again.
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
        if error is None:  # what the block raised says more
            self.check()

    def end(self) -> None:
        """Count no more."""
        self._block.close()

    def check(self) -> None:
        """Fail the test if there were too many.

        Raises:
            pytest.fail.Exception: With the report of the profile.
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

    `max_requests(10)` counts to the end of the test, `with max_requests(10):` to the end of the
    block. Counted is what `pywats_green.profile_queries()` records; its report is the message.
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
    """Look at the limits when the test has passed: a fixture could only report an error."""
    result = yield
    for limit in item.stash.get(_LIMITS, []):
        if not limit.is_block:
            limit.end()
            limit.check()
    return result
