"""The wait of a call that cannot be admitted at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pywats.core.exceptions import ConnectionError as WatsConnectionError

from pywats_green import admission_time, config
from pywats_green.exceptions import AdmissionTimeoutError
from pywats_green.redaction import without_user_info
from pywats_green.throttle import Gate, Gates, GateState, Permit
from pywats_green.transport import server_of
from pywats_green.upstream.client.gates import Away
from pywats_green.upstream.client.observing import note_wait

if TYPE_CHECKING:
    from pywats_green.upstream.client.slots import Ledger, Slots

SHORTEST_WAIT = 0.001  # seconds; upstream does not count less


class Entry:
    """A call's wait for the gate of its server and for a slot.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        gates: The gates of this native thread.
        slots: The slots of the client's limiter. None: the limiter has an `acquire` of its own.
        away_since: When this call first found its server unreachable. None: it has not.
    """

    def __init__(
        self, client: Any, gates: Gates, slots: Slots | None, away_since: float | None
    ) -> None:
        self._client = client
        self._gates = gates
        self._slots = slots
        self._away_since = away_since
        self._started = time.monotonic()
        self._server = server_of(client.base_url)
        self._gate: Gate | None = None
        self._permit: Permit | None = None
        self._window: Ledger | None = None

    def run(self) -> tuple[Gate | None, Permit | None, Ledger | None, float]:
        """Wait for both.

        Returns:
            The fields of an `Admission`.

        Raises:
            BaseException: As `admit`; nothing is held then.
        """
        self._gates.forget_idle()
        try:
            with admission_time.waiting():
                if self._slots is None:
                    self._client._rate_limiter.acquire()
                while not self._try():
                    self._require_patience()
        except BaseException:
            self._return_slot()
            raise
        finally:
            waited = time.monotonic() - self._started
            if waited < SHORTEST_WAIT:
                waited = 0.0
            else:
                note_wait(waited)
        return self._gate, self._permit, self._window, waited

    def _try(self) -> bool:
        """Pass the gate and take a slot, holding neither while it waits for the other.

        Returns:
            False: the gate has closed meanwhile, somebody was quicker, or patience is exhausted.
        """
        self._permit = None
        self._gate = gate = self._gates.get(self._server)
        if gate is None:
            return self._has_slot(may_go=self._may_go) and self._keeps_slot()
        self._permit = permit = gate.enter(self._patience)
        if permit is None:
            return False
        is_admitted = False
        try:
            is_admitted = self._has_slot() and self._may_go()
        finally:
            if not is_admitted:  # the permit is for somebody who has a slot
                self._permit = None
                gate.take_back(permit)
        if is_admitted or not self._has_slot(may_go=lambda: True):
            return is_admitted
        if self._gates.get(self._server) is gate:
            self._permit = gate.admit()
        return self._keeps_slot()

    def _has_slot(self, may_go: Callable[[], bool] | None = None) -> bool:
        """Take a slot, if it needs one.

        Args:
            may_go: As for `Slots.acquire`. None: wait for a moment at most.
        """
        slots, limiter = self._slots, self._client._rate_limiter
        if slots is None or self._window is not None or not limiter.enabled:
            return True
        if slots.take_soon() if may_go is None else slots.acquire(may_go, self._patience):
            self._window = slots.window
        return self._window is not None or not limiter.enabled

    def _keeps_slot(self) -> bool:
        """Return whether the gate admits it; if not, free the slot for somebody else."""
        is_admitted = self._may_go()
        if not is_admitted:
            self._return_slot()
        return is_admitted

    def _return_slot(self) -> None:
        window, self._window = self._window, None
        if window is not None and self._slots is not None:
            window.give_back()
            self._slots.line.attend()

    def _may_go(self) -> bool:
        """Return whether there is no gate, or it has not closed since it admitted this call."""
        gate = self._gates.get(self._server)
        if gate is None:
            return True
        return gate is self._gate and self._permit is not None and gate.is_good(self._permit)

    def _patience(self) -> float | None:
        """Return how many seconds longer to wait. None: there is no limit."""
        current, now = config.in_force, time.monotonic()
        bounds = []
        if current.admission_timeout is not None:
            bounds.append(self._started + current.admission_timeout - now)
        gate = self._gates.get(self._server)
        if gate is not None and isinstance(gate.cause, Away):
            since = self._away_since
            if since is None:
                since = max(self._started, gate.cause.since)
            bounds.append(since + current.wait_for_server - now)
        elif current.wait_for_server:  # it may be unreachable by then
            bounds.append(current.wait_for_server)
        return min(bounds, default=None)

    def _require_patience(self) -> None:
        left = self._patience()
        if left is None or left > 0:
            return
        gate, current = self._gates.get(self._server), config.in_force
        state = None if gate is None else gate.state()
        limit = current.admission_timeout
        if limit is not None and self._started + limit - time.monotonic() <= 0:
            raise AdmissionTimeoutError(
                f"not sent within admission_timeout={limit:g} s: {self._obstacle(state)}, or wait "
                "longer with configure(admission_timeout=)"
            )
        url = without_user_info(self._client.base_url)
        reason = None if state is None else state["cause"]
        seconds = time.monotonic() - reason.since if isinstance(reason, Away) else 0.0
        raise WatsConnectionError(
            f"Failed to connect to {url} for {seconds:.1f} s (wait_for_server="
            f"{current.wait_for_server:g}): {reason}. Check the server and the network",
            details={"url": url},
        )

    def _obstacle(self, state: GateState | None) -> str:
        """Say what the call is waiting for, and what else to do."""
        if state is not None and state["cause"] is not None:
            return (
                f"{self._server} admits no calls ({state['cause']}), and the next probe goes in "
                f"{state['opens_in']:.1f} s. Try again later"
            )
        if self._slots is None or (state is not None and not self._slots.line.waiting):
            return f"{self._server} has just reopened, for a few calls at a time. Try again later"
        return f"{self._slots}. Send fewer requests, with batching() or the cache"
