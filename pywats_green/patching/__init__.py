"""What of others is patched: the standard library for good, gevent's timers until `uninstall`."""

from pywats_green.patching.standard_library import PATCHED_MODULES, is_patched, patch, too_early

__all__ = ["PATCHED_MODULES", "is_patched", "patch", "too_early"]
