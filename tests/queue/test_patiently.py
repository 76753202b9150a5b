"""A file that another program holds for a moment."""

import errno

import gevent
import pytest

from pywats_green.queue.folder.files import off_hub
from pywats_green.queue.held_files import PAUSES, patiently


class Held:
    """An operation that is refused some times."""

    def __init__(self, times: int, number: int = errno.EACCES) -> None:
        self.tries = 0
        self._times = times
        self._number = number

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self._times:
            raise OSError(self._number, "held")
        return "done"


def nothing(_seconds: float) -> None:
    """Takes no time."""


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY])
def test_what_is_held_for_a_moment_is_tried_again(number: int) -> None:
    operation = Held(3, number)
    assert patiently(operation, nothing) == "done"
    assert operation.tries == 4


def test_it_gives_up_after_two_seconds() -> None:
    operation = Held(1000)
    slept: list[float] = []
    with pytest.raises(PermissionError):
        patiently(operation, slept.append)
    assert sum(slept) == pytest.approx(2.0)
    assert operation.tries == len(PAUSES) + 1


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOSPC, errno.EEXIST, errno.EIO])
def test_other_errors_are_raised_at_once(number: int) -> None:
    operation = Held(1, number)
    slept: list[float] = []
    with pytest.raises(OSError, match="held"):
        patiently(operation, slept.append)
    assert (operation.tries, slept) == (1, [])


def test_other_greenlets_run_between_two_tries() -> None:
    held = [True]

    def operation() -> None:
        if held:
            raise PermissionError(errno.EACCES, "held")

    gevent.spawn(held.clear)
    patiently(operation)


def test_a_kill_comes_between_two_tries() -> None:
    operation = Held(1000)
    greenlet = gevent.spawn(patiently, operation)
    gevent.idle()
    greenlet.kill()
    assert 1 <= operation.tries < len(PAUSES)
    assert isinstance(greenlet.value, gevent.GreenletExit)


def test_a_native_thread_waits_by_itself() -> None:
    operation = Held(2)
    assert off_hub(lambda: patiently(operation)) == "done"


def test_the_hub_waits_for_nobody() -> None:
    operation, outcome = Held(2), []

    def call() -> None:
        try:
            patiently(operation)
        except PermissionError as error:
            outcome.append(error)

    gevent.get_hub().loop.run_callback(call)
    gevent.sleep(0)
    gevent.sleep(0)
    assert (operation.tries, len(outcome)) == (1, 1)
