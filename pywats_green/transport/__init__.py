"""The HTTP transport: requests owns the pools, urllib3's connections carry the calls."""

from pywats_green.transport.answers import Answer
from pywats_green.transport.transport import Transport
from pywats_green.transport.writing import sent_token, server_of, sorted_query

__all__ = ["Answer", "Transport", "sent_token", "server_of", "sorted_query"]
