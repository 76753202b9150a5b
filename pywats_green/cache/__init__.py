"""Caching: a bounded store with lives, one load per key at a time, a decorator, a control."""

from pywats_green.cache.control import Control, cache_control, current_control
from pywats_green.cache.decorator import cached
from pywats_green.cache.flight import StaleRules
from pywats_green.cache.manager import CacheManager

__all__ = [
    "CacheManager",
    "Control",
    "StaleRules",
    "cache_control",
    "cached",
    "current_control",
]
