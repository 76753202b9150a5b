"""The way to the server: requests owns the configuration, its urllib3 pools carry the calls."""

from pywats_green.transport.transport import Answer, Transport

__all__ = ["Answer", "Transport"]
