"""The wait of a call that cannot be sent at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pywats.core.exceptions import ConnectionError as WatsConnectionError

from pywats_green import admission_time, config
from pywats_green.exceptions import AdmissionTimeoutError
from pywats_green.throttle import Gate, Gates, Permit
from pywats_green.transport import server_of, without_user_info
from pywats_green.upstream.client.gates import Away
from pywats_green.upstream.client.observing import note_wait

if TYPE_CHECKING:
    from pywats_green.upstream.client.admission import Slots, Window


_SHORTEST_WAIT = 0.001  # seconds; what upstream does not count


class Entry:
    """The wait of a call for the gate of its server and for a slot.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        gates: Of this native thread.
        slots: Of the client's limiter. None: the limiter has its own way.
        away_since: Since when this call has met a server that is away. None: it has not.
    """

    def __init__(
        self, client: Any, gates: Gates, slots: Slots | None, away_since: float | None
    ) -> None:
        self._client = client
        self._gates = gates
        self._slots = slots
        self._away_since = away_since
        self._started = time.monotonic()
        self._waits_since: float | None = None
        self._server = server_of(client.base_url)
        self._gate: Gate | None = None
        self._permit: Permit | None = None
        self._window: Window | None = None

    def run(self) -> tuple[Gate | None, Permit | None, Window | None, float]:
        """Wait until both are there, or fail as `admit` says.

        Returns:
            What makes an `Admission`.
        """
        self._gates.forget_idle()
        try:
            with admission_time.waiting():
                while not self._try():
                    self._require_patience()
        except BaseException:
            if self._window is not None:  # ended at a gate that closed when it had its slot
                self._window.stamp()
            raise
        finally:
            waited = 0.0
            if self._waits_since is not None:
                waited = time.monotonic() - self._waits_since
                note_wait(waited)
        return self._gate, self._permit, self._window, waited

    def _try(self) -> bool:
        """Go through the gate and take a slot; False: it closed meanwhile, or patience ended."""
        self._gate = gate = self._gates.get(self._server)
        self._permit = permit = None if gate is None else gate.enter(self._patience)
        if gate is not None and permit is None:
            return False
        has_both = False
        try:
            has_both = self._has_slot() and self._may_go()
        finally:
            if not has_both and gate is not None and permit is not None:
                gate.take_back(permit)
        return has_both

    def _has_slot(self) -> bool:
        limiter = self._client._rate_limiter
        if self._slots is None:
            started = time.monotonic()
            limiter.acquire()
            if self._waits_since is None and time.monotonic() - started > _SHORTEST_WAIT:
                self._waits_since = started
            return True
        # A slot that is taken while the gate is closed would be of no use to anybody.
        if (
            self._window is None
            and limiter.enabled
            and self._slots.acquire(self._may_go, self._patience)
        ):
            self._window = self._slots.window
        return self._window is not None or not limiter.enabled

    def _may_go(self) -> bool:
        """Tell whether the gate has not closed since this call went through it."""
        gate = self._gates.get(self._server)
        if gate is None:
            return True
        return gate is self._gate and self._permit is not None and gate.is_good(self._permit)

    def _patience(self) -> float | None:
        """Return for how many seconds more this call waits; see `Line.wait`, which asks at once."""
        current, now = config.in_force, time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        bounds = []
        if current.admission_timeout is not None:
            bounds.append(self._started + current.admission_timeout - now)
        gate = self._gates.get(self._server)
        if gate is not None and isinstance(gate.cause, Away):
            since = self._away_since
            if since is None:
                since = max(self._started, now - gate.closed_for())
            bounds.append(since + current.wait_for_server - now)
        elif current.wait_for_server:  # it may be away by then
            bounds.append(current.wait_for_server)
        return min(bounds, default=None)

    def _require_patience(self) -> None:
        left = self._patience()
        if left is None or left > 0:
            return
        gate, current = self._gates.get(self._server), config.in_force
        limit = current.admission_timeout
        if limit is not None and self._started + limit - time.monotonic() <= 0:
            raise AdmissionTimeoutError(
                f"not sent within admission_timeout={limit:g} s: {self._obstacle(gate)}. Nothing "
                "was sent. Wait longer with configure(admission_timeout=), or None, or ask for "
                "less at a time"
            )
        url = without_user_info(self._client.base_url)
        raise WatsConnectionError(
            f"Failed to connect to {url} within wait_for_server={current.wait_for_server:g} s: "
            f"{self._obstacle(gate)}",
            details={"url": url},
        )

    def _obstacle(self, gate: Gate | None) -> str:
        """Say what the call waits for."""
        state = None if gate is None else gate.state()
        if state is not None and state["cause"] is not None:
            return (
                f"{self._server} has been closed to all calls for {state['closed_for']:.1f} s "
                f"({state['cause']}): the next probe goes in {state['opens_in']:.1f} s"
            )
        if state is not None and self._slots is None:
            return f"{self._server} has just reopened, for a few calls at a time"
        return str(self._slots)
