"""What the script grants, on a real server: never more than the limit, and to each its part."""

from collections.abc import Callable

import pytest

from fleet.engine import Engine
from pywats_green.fleet.keys import key_of
from pywats_green.fleet.limit import Answer, Question, run
from pywats_green.fleet.link import Link

PLACE = "https://wats.example 0123"
WINDOW = 60.0

Ask = Callable[..., Answer | None]


@pytest.fixture
def ask(kept: Engine) -> Ask:
    """Ask for slots, as a member of this name."""
    link = Link(kept.url)
    link.ask("FLUSHALL")
    known: dict[str, tuple[int, str, int]] = {}

    def do(
        name: str, kind: str = "ask", want: int = 0, limit: int = 10, label: str = "",
        ended: tuple[tuple[int, float], ...] = (), numbers: tuple[int, ...] = (),
    ) -> Answer | None:  # fmt: skip
        generation, epoch, number = known.get(name, (0, "-", 0))
        generation += kind != "ask"
        told = (limit, WINDOW, want, number, ended, numbers, label)
        answer = run(link, PLACE, Question(name, generation, epoch, kind, *told))
        if answer is not None:
            known[name] = generation, answer.epoch, number + answer.granted
        return answer

    return do


def _granted(answer: Answer | None) -> int:
    assert answer is not None
    return answer.granted


def test_it_grants_what_is_free_and_no_more(ask: Ask) -> None:
    ask("aa", "sync", label="{}")
    assert _granted(ask("aa", want=7)) == 7
    assert _granted(ask("aa", want=7)) == 3
    assert _granted(ask("aa", want=7)) == 0


def test_a_slot_that_comes_back_unused_is_free_at_once(ask: Ask) -> None:
    ask("aa", "sync", label="{}")
    assert _granted(ask("aa", want=10)) == 10
    assert _granted(ask("aa", want=5, numbers=(0, 1, 2))) == 3


def test_an_answered_slot_is_granted_for_when_it_is_free(ask: Ask) -> None:
    ask("aa", "sync", label="{}")
    assert _granted(ask("aa", want=10)) == 10
    ended = tuple((number, WINDOW - 1 - number / 10) for number in range(4))
    answer = ask("aa", want=10, ended=ended)
    assert answer is not None
    assert answer.granted == 4
    assert len(answer.starts) == 4
    assert answer.starts == sorted(answer.starts)
    assert 0 < answer.starts[0] <= 1


def test_nobody_gets_far_ahead_of_another_who_waits(ask: Ask) -> None:
    for name in ("aa", "bb"):
        ask(name, "sync", label="{}", limit=80)
    taken = 0
    while taken < 80:  # beyond its part, it gets what is free bit by bit
        granted = _granted(ask("aa", want=80 - taken, limit=80))
        assert 0 < granted <= 40
        taken += granted
    ask("bb", want=50, limit=80)
    all_ended = tuple((number, WINDOW - 1) for number in range(80))
    assert _granted(ask("aa", want=50, limit=80, ended=all_ended)) == 0
    assert _granted(ask("bb", want=50, limit=80)) == 50


def test_a_member_that_it_does_not_know_has_to_tell_all(ask: Ask) -> None:
    assert ask("aa", want=5) is None
    ask("aa", "sync", label="{}", ended=((0, 1.0), (1, 2.0)), numbers=(2, 3, 4))
    assert _granted(ask("aa", want=10)) == 5


def test_what_was_overtaken_changes_nothing(kept: Engine, ask: Ask) -> None:
    ask("aa", "sync", label="{}")
    ask("aa", "sync", label="{}", numbers=(0, 1))
    late = Question("aa", 1, "-", "sync", 10, WINDOW, label="{}")
    assert run(Link(kept.url), PLACE, late) is None
    assert _granted(ask("aa", want=10)) == 8


def test_nothing_stays_of_a_limit_that_nobody_uses(kept: Engine, ask: Ask) -> None:
    ask("aa", "sync", label="{}")
    ask("aa", want=3)
    ask("aa", "leave", numbers=(0,))
    link = Link(kept.url)
    keys = link.ask("KEYS", "*")
    assert keys
    assert not [key for key in keys if link.ask("TTL", key) < 0]


def test_a_clock_that_was_set_back_holds_nobody(kept: Engine, ask: Ask) -> None:
    link = Link(kept.url)
    for name in ("aa", "bb"):
        ask(name, "sync", label="{}", ended=((0, 1.0),))
    for name in ("members", "slots"):  # as if all of it had been written an hour from now
        key = f"{key_of(PLACE)}:{name}"
        for each in link.ask("ZRANGE", key, 0, -1):
            link.ask("ZINCRBY", key, 3600, each)
    link.ask("HINCRBYFLOAT", f"{key_of(PLACE)}:state", "settled", 3600)
    answer = ask("aa", want=1)
    assert answer is not None
    assert 0 < answer.settling <= 3  # until all have told what they hold
    latest = max(
        map(float, link.ask("ZRANGE", f"{key_of(PLACE)}:slots", 0, -1, "WITHSCORES")[1::2])
    )
    assert latest <= answer.now + WINDOW


@pytest.mark.parametrize(("limit", "count"), [(10, 3), (10, 10), (4, 7), (1, 5)])
def test_shares_never_exceed_the_limit(ask: Ask, limit: int, count: int) -> None:
    plans: dict[str, int] = {}
    names = [f"a{number:x}" for number in range(count)]
    for turn in range(2 * count + 2):
        for position, name in enumerate(names):
            if position > turn:
                continue  # it joins later
            kind = "ask" if name in plans else "sync"
            answer = ask(name, kind, label="{}", limit=limit)
            assert answer is not None
            plans[name] = answer.plan
            whole = [limit // plan for plan in plans.values() if 0 < plan <= limit]
            assert sum(whole) <= limit
    assert min(plans.values()) == max(plans.values()) >= count
