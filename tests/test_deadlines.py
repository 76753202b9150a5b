"""Deadlines on the real hub. Tests assert which greenlets are hit, and their order, not times."""

import math
from typing import Any

import gevent
import pytest
from gevent.event import Event

from pywats_green.bridge import DeadlineExceeded, set_deadline


def _hit(seconds: float) -> bool:
    """Wait for ever with a deadline; return whether it was hit by its own."""
    deadline = set_deadline(seconds)
    try:
        Event().wait()
    except DeadlineExceeded as exceeded:
        return exceeded.deadline is deadline
    finally:
        deadline.cancel()
    return False


@pytest.mark.parametrize("seconds", [0.01, 0, -1, math.nan])
def test_it_hits_its_own_greenlet(seconds: float) -> None:
    assert gevent.spawn(_hit, seconds).get()


def test_each_is_hit_in_the_order_in_which_they_fall_due() -> None:
    order: list[str] = []

    def wait(name: str, seconds: float) -> None:
        assert _hit(seconds)
        order.append(name)

    waiting = [("late", 0.5), ("first", 0.01), ("later", 0.5), ("second", 0.01)]
    gevent.joinall([gevent.spawn(wait, *each) for each in waiting], raise_error=True)
    assert order == ["first", "second", "late", "later"]


def test_a_cancelled_one_never_hits() -> None:
    def wait() -> bool:
        set_deadline(0.01).cancel()
        return _hit(0.05)

    assert gevent.spawn(wait).get()


def test_cancelling_twice_and_after_the_hit_is_nothing() -> None:
    deadline = set_deadline(0.01)
    with pytest.raises(DeadlineExceeded, match="0.01 seconds"):
        Event().wait()
    deadline.cancel()
    deadline.cancel()
    assert _hit(0.01)


def test_an_outer_one_is_hit_through_an_inner_one() -> None:
    outer, inner = set_deadline(0.01), set_deadline(30.0)
    try:
        with pytest.raises(DeadlineExceeded) as caught:
            Event().wait()
        assert caught.value.deadline is outer
    finally:
        inner.cancel()
        outer.cancel()


def test_whoever_is_hit_may_set_the_next_of_the_same_length() -> None:
    def wait() -> list[bool]:
        return [_hit(0.01) for _ in range(3)]

    found = [gevent.spawn(wait) for _ in range(3)]
    gevent.joinall(found, raise_error=True)
    assert [greenlet.value for greenlet in found] == [[True] * 3] * 3


def test_a_greenlet_that_dies_of_it_spares_the_others() -> None:
    dying = gevent.spawn(lambda: (set_deadline(0.01), Event().wait()))
    living = gevent.spawn(_hit, 0.01)
    both: list[gevent.Greenlet[..., Any]] = [dying, living]
    gevent.joinall(both)
    assert living.value is True


def test_a_met_one_does_not_keep_the_loop_alive(run_python) -> None:
    done = run_python(
        "import pywats_green, gevent\n"
        "from gevent.event import Event\n"
        "from pywats_green.bridge import set_deadline\n"
        "gevent.spawn(lambda: set_deadline(3600.0).cancel()).join()\n"
        "assert gevent.wait()\n"
        "deadline = set_deadline(0.01)\n"  # and one that is set does: else this were a LoopExit
        "try:\n    Event().wait()\n"
        "except gevent.Timeout as hit:\n    assert hit.deadline is deadline\n"
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_hit_one_leaves_no_watcher_to_the_garbage_collector(run_python) -> None:
    """Under libuv, that of Windows, freeing one that was not closed corrupts the heap."""
    done = run_python(
        "import pywats_green, gevent\n"
        "from pywats_green.bridge import set_deadline\n"
        "try:\n    set_deadline(0.001)\n    gevent.sleep(60)\n"
        "except gevent.Timeout as hit:\n    assert str(hit) == '0.001 seconds'\n",
        env={"GEVENT_LOOP": "libuv", "GEVENT_DEBUG": "debug"},
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_ever_new_lengths_do_not_fill_memory() -> None:
    from pywats_green import bridge

    for number in range(1000):
        set_deadline(60.0 + number / 1000).cancel()
    assert len(bridge._here.groups) <= bridge._LENGTHS
