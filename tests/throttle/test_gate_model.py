"""A gate under any sequence of arrivals, ends, kills, closings and time.

Never two probes at once, never a slot lost, never one who waits though it may go.
"""

from typing import Any

import gevent
import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pywats_green.pauses import growing_pause
from pywats_green.retry_after import LONGEST
from pywats_green.throttle import Gate, Permit, Tally
from throttle.clock import HandClock, run_all

ENDS = ["reopen", "close", "limit", "asked", "fail", "take_back"]


class GateMachine(RuleBasedStateMachine):
    """`out` holds who is through, and when it was let through."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.tally = Tally()
        self.gate = Gate(
            "server",
            tally=self.tally,
            pause=lambda failures, longest: growing_pause(failures, longest, lambda: 1.0),
            tell=lambda _: gevent.sleep(0),  # a log handler may let others run, and be killed
            start_timer=self.clock.start_timer,
            clock=self.clock,
        )
        self.out: list[tuple[Permit, float]] = []
        self.callers: list[gevent.Greenlet[..., Any]] = []
        self.is_closed_from_afar = False
        self.arrived = self.passed = self.killed = self.impatient = 0

    def _let_through(self, permit: Permit) -> None:
        now = self.clock.now
        if permit.is_probe:
            others = [since for other, since in self.out if other.is_probe]
            assert all(now - since >= LONGEST for since in others), "two probes at once"
        self.out.append((permit, now))

    def _call(self, patience: float | None) -> None:
        end = None if patience is None else self.clock.now + patience
        permit = self.gate.enter(lambda: None if end is None else end - self.clock.now)
        if permit is None:
            assert end is not None
            assert self.clock.now >= end
            self.impatient += 1
            return
        self._let_through(permit)
        self.passed += 1

    @rule(count=st.integers(1, 5), patience=st.sampled_from([None, None, 0.5, 20.0]))
    def arrive(self, count: int, patience: float | None) -> None:
        self.arrived += count
        self.callers += [gevent.spawn(self._call, patience) for _ in range(count)]
        run_all()

    @rule()
    def ask(self) -> None:
        permit = self.gate.admit()
        if permit is not None:
            self._let_through(permit)
        run_all()

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 50), end=st.sampled_from(ENDS), seconds=st.integers(0, 400))
    def end(self, which: int, end: str, seconds: int) -> None:
        permit, _ = self.out.pop(which % len(self.out))
        if end == "close":
            self.gate.close("away", permit, longest=5.0)
        elif end == "limit":
            self.gate.close("refused", permit, is_limit=True)
        elif end == "asked":
            self.gate.close("refused", permit, seconds=seconds, is_limit=True)
        else:
            getattr(self.gate, end)(permit)
        assert not permit.is_out
        run_all()

    @precondition(lambda self: any(not caller.dead for caller in self.callers))
    @rule(which=st.integers(0, 50), is_woken=st.booleans())
    def kill(self, which: int, is_woken: bool) -> None:
        waiting = [caller for caller in self.callers if not caller.dead]
        victim = waiting[which % len(waiting)]
        victim.kill(block=False)
        if is_woken:  # at the moment when somebody may be let through
            timers = sorted(self.clock.timers, key=lambda timer: timer.at)
            if timers:
                self.clock.turn(max(timers[0].at - self.clock.now, 0.0))
        run_all()

    @rule(seconds=st.integers(0, 400))
    def close_from_afar(self, seconds: int) -> None:
        self.is_closed_from_afar = True
        self.gate.close_from_afar(
            "elsewhere", seconds=seconds, longest=30.0, is_limit=seconds % 2 == 0
        )

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.0, 10.0, 61.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.turn(seconds)

    @invariant()
    def who_may_go_goes(self) -> None:
        waiting = len(self.gate._line.waiting)
        assert waiting == self.tally.waiting
        assert waiting == sum(not caller.dead for caller in self.callers)
        if waiting and self.is_closed_from_afar and self.gate.opens_in() is None:
            self.clock.turn(1.0)  # another native thread cannot wake them: they look by themselves
            waiting = len(self.gate._line.waiting)
        if waiting:
            assert self.gate.opens_in() is not None, "it may go, and nobody calls it"
            assert self.clock.timers

    def teardown(self) -> None:
        """All come back and time passes: everybody gets through, and it is as if not there."""
        for _ in range(200):
            while self.out:
                self.gate.reopen(self.out.pop()[0])
                run_all()
            self.clock.turn(LONGEST)
            if not self.out and not self.tally.waiting:
                break
        self.clock.turn(LONGEST + 60)
        assert all(caller.dead for caller in self.callers)
        assert self.gate.is_idle
        assert [self.gate.admit() is None for _ in range(100)] == [False] * 100
        assert not self.clock.timers


TestGate = GateMachine.TestCase
TestGate.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
