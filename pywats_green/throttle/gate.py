"""A gate in front of a server: closed for a cause, probed, reopened step by step, open."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from pywats_green.pauses import LONGEST_PAUSE, growing_pause
from pywats_green.retry_after import LONGEST
from pywats_green.throttle.closure import Closure, GateState
from pywats_green.throttle.line import Line
from pywats_green.throttle.permit import Permit
from pywats_green.throttle.reopening import Reopening
from pywats_green.throttle.tally import Tally
from pywats_green.timers import StartTimer, start_timer

BY_HAND = "paused by pause()"


class Gate:
    """Holds requests back while their server cannot serve them.

    *Open*, it admits everyone. `close` shuts it for a cause. *Closed*, it admits one probe when the
    pause is over, and the next only after that one has come back: a success (`reopen`) opens the
    gate, anything else (`close`, `fail`) begins the next pause. *Reopening*, it allows two requests
    in flight, and one more after each success. It is open once nobody has had to wait since the
    last success, at the latest after a minute.

    There are two ways in. `enter` waits in line, first come first served. `admit` never waits: it
    returns a permit or None, and `opens_in` says when to ask again.

    Each permit must be given back exactly once, by the call that says what happened:

    - `reopen`: the server answered as it should;
    - `close`: it did not, and other requests would meet the same;
    - `fail`: this request failed, which says nothing about others; a probe leaves it closed;
    - `take_back`: nothing was learned (killed, nothing to send); the next probe may go at once.

    Giving one back twice has no effect. Requests that were in flight when the gate closed neither
    close nor open it, because their permits are of an earlier epoch; if the server asks one of them
    for more time, that only postpones the next probe.

    The gate belongs to one native thread; others may only call `close_from_afar` and `state`.

    Args:
        name: What it protects, for people.
        pause: Called with the number of probes that have failed in a row and an upper bound in
            seconds; returns the seconds until the next probe.
        tally: Counts waits, closings, probes and reopenings. None: one of its own.
        tell: Called with a line of text for each closing, probe and reopening, in the greenlet
            that caused it, once the gate's state is consistent: it may block, and be killed there.
        lapse: Seconds without a new reason, and without a probe coming back, after which it
            reopens by itself.
        start_timer: Starts a timer.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        name: str,
        *,
        pause: Callable[[int, float], float] = growing_pause,
        tally: Tally | None = None,
        tell: Callable[[str], object] = lambda _: None,
        lapse: float = LONGEST,
        start_timer: StartTimer = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lapse = lapse
        self._name = name
        self._pause = pause
        self._tally = tally = tally or Tally()
        self._tell = tell
        self._clock = clock
        self._line = Line(self._look, self._take, tally, start_timer=start_timer, clock=clock)
        self._taken: Permit | None = None
        self._news: deque[str] = deque()
        self._by_hand = False
        self._not_before = float("-inf")
        self._epoch = 0
        self._closure: Closure | None = None
        self._reopening, self._lasted = Reopening(), 0.0

    @property
    def reason(self) -> str | None:
        """Why nobody but a probe is admitted. None: it is not closed."""
        return BY_HAND if self._by_hand else self.cause

    @property
    def cause(self) -> str | None:
        """Why it is closed other than by hand. None: it is not."""
        self._refresh(self._clock())
        return self._closure.cause if self._closure else None

    @property
    def is_closed(self) -> bool:
        """Whether it is closed other than by hand."""
        return self.cause is not None

    @property
    def is_idle(self) -> bool:
        """Whether it makes no difference at present, so that it can be forgotten."""
        return not (self.reason or self._reopening.width or self._line.waiting)

    def state(self) -> GateState | None:
        """Return its state, without changing it. None: it is open."""
        now, closure = self._clock(), self._closure
        if closure is not None and now < closure.lapses_at:
            return closure.state(now)
        if self._reopening.width is not None and self._reopening.is_on(now):
            return {"cause": None, "closed_for": 0.0, "opens_in": 0.0, "probing": False}
        return None

    def closed_for(self) -> float:
        """Return the seconds since it closed, other than by hand. 0: it is not closed."""
        now = self._clock()
        self._refresh(now)
        return now - self._closure.since if self._closure else 0.0

    def opens_in(self) -> float | None:
        """Return the seconds until `admit` may answer otherwise by itself. None: it will not."""
        seconds = self._look()
        return None if self._by_hand or seconds <= 0 else seconds

    def admit(self) -> Permit | None:
        """Return a permit, to be given back. None: not now. Never waits."""
        return self._announced(self._admit())

    def enter(self, patience: Callable[[], float | None] | None = None) -> Permit | None:
        """Wait for a permit, first come first served.

        Args:
            patience: As for `Line.wait`. None: no limit.

        Returns:
            A permit, to be given back. None: the caller's patience is exhausted.

        Raises:
            BaseException: The caller was killed; it holds no permit.
        """
        permit = None if self._line.waiting else self._admit()
        if permit is None and self._line.wait(patience=patience):
            permit, self._taken = self._taken, None
        return self._announced(permit)

    def is_good(self, permit: Permit) -> bool:
        """Return whether a permit is still valid: the gate has not closed since."""
        self._refresh(self._clock())
        return permit.epoch == self._epoch

    def reopen(self, permit: Permit) -> None:
        """Take a permit back after a good answer; if it was the probe's, the gate reopens."""
        if not self._give_back(permit):
            return
        closure = self._closure
        if closure and permit.is_probe:  # else another thread has just closed it
            now = self._clock()
            self._lasted = now - closure.since
            self._reopen(closure, now)
        elif not closure:
            self._reopening.widen(is_waited_for=bool(self._line.waiting))
        self._line.attend()
        self.announce()

    def close(
        self,
        cause: str,
        permit: Permit | None = None,
        *,
        seconds: float | None = None,
        longest: float = LONGEST_PAUSE,
        is_limit: bool = False,
    ) -> bool:
        """Close the gate because of what a request met, and take its permit back.

        Args:
            cause: Why, for people.
            permit: The request's permit. None: it had none, because there was no gate.
            seconds: Until the next probe, at most 300. 0: at once, but as None if a probe failed.
                None: pauses grow.
            longest: Upper bound in seconds of a growing pause.
            is_limit: Whether a limit of the server's is exhausted. Without `seconds`, a relapse
                within a minute pauses for at least as long as the last closure lasted. Without
                them, or after a relapse, the gate reopens for two at a time, for a minute.

        Returns:
            Whether this was news. What was in flight when the gate closed is not.
        """
        now = self._clock()
        counts = self._give_back(permit) if permit is not None else not self.is_closed
        if counts:
            if self._closure and permit and permit.is_probe:
                self._closure.failures += 1
            self._shut(now, cause, seconds, longest, is_limit=is_limit)
        elif self._closure and seconds is not None:
            self._closure.put_off(now, seconds)
        self._line.attend()
        self.announce()
        return counts

    def fail(self, permit: Permit) -> None:
        """Take a permit back after a failure; if it was the probe's, the gate stays closed."""
        closure = self._closure
        if closure and permit is closure.probe:
            self.close(closure.cause, permit, longest=closure.longest)
        else:
            self.take_back(permit)

    def take_back(self, permit: Permit) -> None:
        """Take a permit back from which nothing was learned; the next probe may go at once."""
        self._give_back(permit)
        self._line.attend()

    def close_from_afar(
        self, cause: str, *, seconds: float | None, longest: float, is_limit: bool
    ) -> None:
        """Close it, or postpone its probe, for what another native thread has met."""
        now = self._clock()
        if self._closure is None:
            self._shut(now, cause, seconds, longest, is_limit=is_limit)
        elif seconds is not None:
            self._closure.put_off(now, seconds)

    def cool_down(self, seconds: float) -> None:
        """Admit nobody for some seconds, without closing the gate: `reason` stays None."""
        self._not_before = max(self._not_before, self._clock() + seconds)

    def pause(self) -> None:
        """Close the gate by hand."""
        self._by_hand = True

    def resume(self) -> None:
        """Undo `pause`, end any cooldown, and let a probe go at once."""
        self._by_hand = False
        self._not_before = float("-inf")
        self.probe_now()

    def probe_now(self) -> None:
        """Let the next probe go at once, because it may fare better than the last."""
        if self._closure:
            self._closure.probe_now()
        self._line.attend()

    def renew(self) -> None:
        """Forget what was learned, at the start of a new run, but not `pause`."""
        if self._closure:
            self._reopen(self._closure, min(self._clock(), self._closure.lapses_at))
        self._epoch += 1
        self._not_before = float("-inf")
        self._reopening.end()
        self._line.attend()
        self.announce()

    def _refresh(self, now: float) -> None:
        """End what has expired. May run in the hub."""
        if self._closure and now >= self._closure.lapses_at:
            self._reopen(self._closure, self._closure.lapses_at)
        if self._reopening.width is not None and not self._reopening.is_on(now):
            self._reopening.end()

    def _look(self) -> float:
        """Return the seconds until somebody may be admitted. 0: now."""
        now = self._clock()
        self._refresh(now)
        if self._by_hand:
            return LONGEST
        moment = self._not_before
        if self._closure:
            moment = max(moment, self._closure.changes_at)
        return max(moment - now, self._reopening.full_for(now))

    def _admit(self) -> Permit | None:
        if self._look() > 0:
            self._reopening.has_refused = True
            return None
        closure = self._closure
        permit = Permit(self._epoch, is_probe=closure is not None)
        if closure is None:
            self._reopening.inside += 1
            return permit
        now = self._clock()
        closure.send(permit, now)
        self._tally.probes += 1
        self._news.append(closure.probe_news(now))
        return permit

    def _take(self) -> bool:
        """Admit the first in line, in its own greenlet, which fetches the permit at once."""
        self._taken = self._admit()
        return self._taken is not None

    def _give_back(self, permit: Permit) -> bool:
        """Note that a permit has come back; return whether its outcome counts."""
        self._refresh(self._clock())
        if not permit.is_out:
            return False
        permit.is_out = False
        if permit.epoch != self._epoch:
            return False
        if permit.is_probe and self._closure:
            self._closure.probe = None
        elif not permit.is_probe:
            self._reopening.inside -= 1
        return True

    def _shut(
        self, now: float, cause: str, seconds: float | None, longest: float, *, is_limit: bool
    ) -> None:
        """Close it until the next probe, or keep it closed for a new reason."""
        closure = self._closure
        is_relapse = self._reopening.is_on(now)
        failures = closure.failures if closure else 0
        if failures and not seconds:  # "0" to each would make a storm of probes
            seconds = None
        pause = self._pause(failures, longest) if seconds is None else seconds
        if is_limit and (seconds is None or is_relapse):
            self._reopening.is_careful = True
            if seconds is None and is_relapse and not failures:
                pause = max(pause, self._lasted)
        if closure is None:
            closure = Closure(now, self._lapse)
            self._epoch += 1
            self._reopening.width = None
            self._tally.closings += 1
            self._news.append(f"closes; the next probe goes in {pause:.2f} s ({cause})")
        closure.cause, closure.longest = cause, longest
        closure.renew(now, pause)
        self._closure = closure

    def _reopen(self, closure: Closure, now: float) -> None:
        self._closure = None
        self._epoch += 1
        self._reopening.begin(now)
        self._tally.reopenings += 1
        self._news.append(f"reopens after {now - closure.since:.2f} s ({closure.cause})")

    def _announced(self, permit: Permit | None) -> Permit | None:
        try:
            self.announce()
        except BaseException:  # killed in a log handler
            if permit is not None:
                self.take_back(permit)
            raise
        return permit

    def announce(self) -> None:
        """Tell what is news. `tell` may let other greenlets run."""
        while self._news:
            self._tell(f"{self._name}: {self._news.popleft()}")
