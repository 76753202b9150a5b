"""The submissions gate as the queue sees it: the interface that `throttle.Gate` meets."""

from __future__ import annotations

from typing import Any, Protocol


class Permit(Protocol):
    """Permission to take one report; to be given back once."""

    @property
    def is_probe(self) -> bool:
        """Whether the report probes the server through a closed gate."""


class Gate(Protocol):
    """Decides whether a report may be taken now. No method waits."""

    @property
    def reason(self) -> str | None:
        """Why no report but a probe is taken. None: it is not closed."""

    @property
    def cause(self) -> str | None:
        """Why it is closed other than by hand. None: it is not."""

    @property
    def is_closed(self) -> bool:
        """Whether it is closed other than by hand."""

    def closed_for(self) -> float:
        """Return the seconds since it closed, other than by hand. 0: it is not closed."""

    def opens_in(self) -> float | None:
        """Return the seconds until `admit` may answer otherwise by itself. None: it will not."""

    def admit(self) -> Permit | None:
        """Return a permit. None: not now."""

    def reopen(self, permit: Any) -> None:
        """Take a permit back after a good answer; if it was the probe's, the gate reopens."""

    def close(
        self,
        cause: str,
        permit: Any = None,
        *,
        seconds: float | None = None,
        longest: float = ...,
        is_limit: bool = False,
    ) -> bool:
        """Close the gate, because other reports would meet the same; take the permit back."""

    def take_back(self, permit: Any) -> None:
        """Take a permit back from which nothing was learned."""

    def probe_now(self) -> None:
        """Let the next probe go at once."""

    def cool_down(self, seconds: float) -> None:
        """Admit nobody for some seconds, for a reason that is not the server's."""
