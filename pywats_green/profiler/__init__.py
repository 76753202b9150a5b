"""Records the calls of a block and finds avoidable ones."""

from pywats_green.profiler.advice import Adviser, BatchAdvice
from pywats_green.profiler.call import Call, Caller
from pywats_green.profiler.callers import CallerFinder
from pywats_green.profiler.findings import Finding
from pywats_green.profiler.profile import QueryProfile, RouteSummary
from pywats_green.profiler.recording import Recording, record_calls

__all__ = [
    "Adviser",
    "BatchAdvice",
    "Call",
    "Caller",
    "CallerFinder",
    "Finding",
    "QueryProfile",
    "Recording",
    "RouteSummary",
    "record_calls",
]
