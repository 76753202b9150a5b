"""Fair waiting: a line for what is scarce, and gates for servers that ask to be left alone."""

from pywats_green.throttle.gate import Gate, Gates
from pywats_green.throttle.line import Line, StartTimer, Timer, start_timer
from pywats_green.throttle.tally import Tally

__all__ = ["Gate", "Gates", "Line", "StartTimer", "Tally", "Timer", "start_timer"]
