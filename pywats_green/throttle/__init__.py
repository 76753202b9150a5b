"""Fair waiting: a line before what is scarce, and holds where a server asks to be left alone."""

from pywats_green.throttle.hold import Hold, Holds
from pywats_green.throttle.line import Line, StartTimer, Timer, start_timer
from pywats_green.throttle.tally import Tally

__all__ = ["Hold", "Holds", "Line", "StartTimer", "Tally", "Timer", "start_timer"]
