"""A gevent Pool that keeps the caller's context, reads lazily and settles every item."""

from pywats_green.pool.outcome import Outcome
from pywats_green.pool.pool import Pool

__all__ = ["Outcome", "Pool"]
