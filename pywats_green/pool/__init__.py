"""A gevent Pool whose mappings run in few greenlets, each item in the caller's context."""

from pywats_green.pool.mapping import Raised
from pywats_green.pool.pool import Pool

__all__ = ["Pool", "Raised"]
