"""Batches concurrent single look-ups into queries."""

from pywats_green.batching.batcher import Batcher
from pywats_green.batching.learned import FEWEST, Learned
from pywats_green.batching.scope import Scope, batching, current_scope, innermost_scope
from pywats_green.batching.source import Key, QueryRefusedError, Source
from pywats_green.batching.splitting import first_part, split

__all__ = [
    "FEWEST",
    "Batcher",
    "Key",
    "Learned",
    "QueryRefusedError",
    "Scope",
    "Source",
    "batching",
    "current_scope",
    "first_part",
    "innermost_scope",
    "split",
]
