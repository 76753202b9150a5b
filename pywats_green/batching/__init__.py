"""Gathers single look-ups that are made at once, so that they can travel as one query."""

from pywats_green.batching.control import Scope, batching, current_scope
from pywats_green.batching.gatherer import Gatherer
from pywats_green.batching.learned import Learned
from pywats_green.batching.source import Key, QueryRefusedError, Source
from pywats_green.batching.splitting import first_part, split

__all__ = [
    "Gatherer",
    "Key",
    "Learned",
    "QueryRefusedError",
    "Scope",
    "Source",
    "batching",
    "current_scope",
    "first_part",
    "split",
]
