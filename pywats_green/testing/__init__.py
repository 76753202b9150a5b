"""A WATS server for tests: a separate process on real sockets, with nothing to install."""

from __future__ import annotations

from pywats_green.testing.driver import RecordedRequest, ServerStats
from pywats_green.testing.server import WatsServer

__all__ = ["RecordedRequest", "ServerStats", "WatsServer"]
