"""Caching: a bounded store with a TTL per entry, single-flight, a decorator, directives."""

from pywats_green.cache.decorator import cached
from pywats_green.cache.directives import Directives, cache_control, current_directives
from pywats_green.cache.entries import MISSING, CacheStats
from pywats_green.cache.manager import CacheManager
from pywats_green.cache.single_flight import StaleRules

__all__ = [
    "MISSING",
    "CacheManager",
    "CacheStats",
    "Directives",
    "StaleRules",
    "cache_control",
    "cached",
    "current_directives",
]
