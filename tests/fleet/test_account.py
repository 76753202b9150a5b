"""A member's account, on a real server, and on a clock that is turned by hand."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from typed import private

from fleet.engine import Engine
from pywats_green.fleet.account import Account
from pywats_green.fleet.holdings import Holdings
from pywats_green.fleet.link import Link
from pywats_green.fleet.processes import identity

PLACE = "https://wats.example 0123"
LIMIT = 40


class _Member:
    """A member whose calls take what they can."""

    def __init__(
        self,
        name: str,
        link: Link,
        clock: Callable[[], float],
        about: dict[str, object] | None = None,
    ) -> None:
        self.waiting = self.taken = self.in_flight = 0
        self._link = link
        self.account = Account(
            name,
            PLACE,
            SimpleNamespace(max_requests=LIMIT, window_seconds=60.0),
            about or {},
            wanted=lambda: self.waiting,
            attend=lambda: None,
            poke=lambda: None,
            clock=clock,
        )

    def exchange(self) -> None:
        self.account.exchange(self._link)

    def take(self, most: int) -> int:
        """Take slots, and return how many there were."""
        taken = 0
        while taken < most and self.account.take():
            taken += 1
        self.taken += taken
        self.in_flight += taken
        return taken

    def end_all(self) -> None:
        """End what is in flight."""
        while self.in_flight:
            self.in_flight -= 1
            self.account.stamp()

    def ask_and_take(self, most: int) -> int:
        """Have as many calls wait until the server has no more for them."""
        taken = 0
        self.waiting = most
        while self.waiting:
            self.exchange()
            got = self.take(self.waiting)
            self.waiting -= got
            taken += got
            if not got:
                break
        self.waiting = 0
        return taken


class _Two:
    """Two members of a fleet, of which each knows the other."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.now = 1000.0
        self.busy, self.idle = (_Member(name, link, lambda: self.now) for name in ("aa", "bb"))
        for _ in range(6):
            self.beat()
        assert self.busy.account.share == self.idle.account.share == LIMIT // 2

    def beat(self) -> None:
        self.now += 1.0
        self.busy.exchange()
        self.idle.exchange()

    @property
    def taken(self) -> int:
        return self.busy.taken + self.idle.taken


@pytest.fixture
def link(kept: Engine) -> Link:
    link = Link(kept.url)
    link.ask("FLUSHALL")
    return link


@pytest.fixture
def two(link: Link) -> _Two:
    return _Two(link)


def test_a_server_that_forgets_lets_nobody_exceed_the_limit(two: _Two) -> None:
    assert two.busy.ask_and_take(30) == 30
    two.beat()
    two.link.ask("FLUSHALL")
    for _ in range(4):
        two.beat()
        two.idle.take(LIMIT)
        two.busy.take(LIMIT)
    assert two.idle.taken > 0  # it goes on with its part of what nobody held
    assert two.taken <= LIMIT


def test_a_process_that_slept_asks_before_it_goes_on(two: _Two) -> None:
    assert two.busy.ask_and_take(30) == 30
    two.now += 2.75  # the other one's hub is blocked, or its machine asleep
    assert two.idle.take(LIMIT) == 0
    assert 0 < two.idle.account.delay() <= 1
    assert two.idle.account.due_in() == 0
    two.idle.exchange()
    assert two.idle.ask_and_take(LIMIT) == LIMIT - 30


def test_without_the_server_it_goes_on_with_its_part(two: _Two) -> None:
    assert two.busy.ask_and_take(30) == 30
    two.beat()
    for member in (two.busy, two.idle):
        member.account.lost()
        member.take(LIMIT)
    assert two.idle.taken == 5  # half of what nobody held
    assert two.busy.taken == 30  # more than its share, so it waits
    two.busy.end_all()
    two.idle.end_all()
    two.now += 65.0
    assert [two.idle.take(LIMIT), two.busy.take(LIMIT)] == [LIMIT // 2] * 2


def test_who_leaves_gives_back_what_it_did_not_use(two: _Two) -> None:
    two.busy.waiting = 10
    two.busy.exchange()
    assert two.busy.take(3) == 3
    two.busy.account.leave(two.link)
    two.now += 1.0
    two.idle.exchange()
    assert two.idle.account.used == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody can tell for certain")
def test_who_starts_again_need_not_wait_for_the_share_of_the_dead(link: Link) -> None:
    with subprocess.Popen([sys.executable], stdin=subprocess.PIPE) as process:
        killed = _Member("aa", link, lambda: 1000.0, identity(process.pid))
        killed.exchange()
        assert killed.ask_and_take(10) == 10
        process.kill()
    again = _Member("bb", link, lambda: 1000.0, identity(os.getpid()))
    assert again.ask_and_take(LIMIT) == LIMIT - 10  # what it used counts
    assert again.account.peers == 1


def test_a_slot_for_now_is_not_held_up_by_one_of_later() -> None:
    holdings = Holdings()
    holdings.reserve(0, [7.0, 8.0])
    holdings.reserve(1, [6.0])
    assert [start for _, start in holdings.reserved] == [-math.inf, 6.0, 7.0, 8.0]
    assert holdings.use(5.0)
    assert not holdings.use(5.0)
    assert holdings.use(6.0)


def test_a_call_that_comes_while_an_account_leaves_is_served(two: _Two) -> None:
    account = two.idle.account
    account.supersede()
    run = Link.run

    def run_slowly(*args: Any) -> Any:
        two.idle.waiting = 1
        account.ask()
        return run(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Link, "run", run_slowly)
        two.idle.exchange()
    two.now += account.due_in()
    two.idle.exchange()
    two.idle.exchange()
    assert two.idle.take(1) == 1


def test_a_superseded_account_takes_no_part_until_it_is_used(two: _Two) -> None:
    account = two.idle.account
    assert two.idle.ask_and_take(1) == 1
    account.supersede()
    two.beat()
    assert not account.is_dormant  # a request is in flight
    two.idle.end_all()
    two.now += 61.0
    for _ in range(2):
        two.idle.exchange()
    assert private(account).is_dormant
    assert account.due_in() == math.inf
    assert two.idle.take(1) == 0
    two.busy.exchange()
    assert two.busy.account.peers == 1
    two.idle.waiting = 1
    account.ask()
    assert account.due_in() == 0
    assert two.idle.ask_and_take(1) == 1
    assert account.peers == 2


def test_what_others_may_get_is_not_used_by_a_member_that_is_cut_off(two: _Two) -> None:
    assert two.busy.ask_and_take(20) == two.idle.ask_and_take(20) == 20
    two.busy.end_all()
    two.now += 58.0
    two.beat()
    two.busy.account.lost()  # the other one has not lost the server
    two.idle.waiting = 20
    two.idle.exchange()
    two.now += 1.4
    assert two.idle.take(20) == 20  # what the first has used is free by now
    assert two.busy.take(LIMIT) == 0
    two.now += 65.0
    assert two.busy.take(LIMIT) == LIMIT // 2  # kept for it meanwhile


@pytest.mark.parametrize("label", [b"garbage", b"[]", b"\xff"])
def test_a_label_that_is_none_holds_up_nobody_who_joins(two: _Two, label: bytes) -> None:
    (about,) = two.link.ask("KEYS", "*:about")
    two.link.ask("HSET", about, "l:ff", label)
    joining = _Member("cc", two.link, lambda: two.now)
    joining.exchange()
    assert joining.ask_and_take(1) == 1
