"""The submissions gate as the queue sees it; `throttle.Gate` is one."""

from __future__ import annotations

from typing import Any, Protocol


class Permit(Protocol):
    """Permission to take one report, to be given back once."""

    @property
    def is_probe(self) -> bool:
        """Whether the report probes if the server is back."""


class Gate(Protocol):
    """Tells whether a report may be taken now. No method waits."""

    @property
    def reason(self) -> str | None:
        """Why no report is taken, apart from a probe; None: it is not closed."""

    @property
    def cause(self) -> str | None:
        """Why it is closed other than by hand; None: it is not."""

    @property
    def is_closed(self) -> bool:
        """Whether it is closed other than by hand."""

    def closed_for(self) -> float:
        """Return for how many seconds it has been closed other than by hand; 0: it is not."""

    def opens_in(self) -> float | None:
        """Return the seconds until `admit` may change its answer by itself; None: it will not."""

    def admit(self) -> Permit | None:
        """Return a permit; None: not now."""

    def reopen(self, permit: Any) -> None:
        """Take a permit back: the server answered as it should, so a probe opens the gate."""

    def close(
        self,
        cause: str,
        permit: Any = None,
        *,
        seconds: float | None = None,
        longest: float = ...,
        is_limit: bool = False,
    ) -> bool:
        """Take a permit back: the server did not serve, and others would meet the same."""

    def take_back(self, permit: Any) -> None:
        """Take a permit back that learned nothing."""

    def probe_now(self) -> None:
        """Let the next probe go at once."""

    def cool_down(self, seconds: float) -> None:
        """Let nobody through for some seconds, for no reason of the server's."""
