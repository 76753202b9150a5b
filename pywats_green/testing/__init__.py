"""A WATS server for tests: a process on real sockets, or its routes alone in this process."""

from __future__ import annotations

from pywats_green.testing.driver import RecordedRequest, ServerStats
from pywats_green.testing.mock import MockWats, mock_wats
from pywats_green.testing.server import WatsServer

__all__ = ["MockWats", "RecordedRequest", "ServerStats", "WatsServer", "mock_wats"]
