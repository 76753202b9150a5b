"""A gevent Pool whose mappings run in a few greenlets, each item in the caller's context."""

from pywats_green.pool.pool import Pool, PoolStats, pool_statistics
from pywats_green.pool.raised import Raised

__all__ = ["Pool", "PoolStats", "Raised", "pool_statistics"]
