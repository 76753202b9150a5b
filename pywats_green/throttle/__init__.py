"""Fair waiting: lines for what is scarce, and gates in front of servers."""

from pywats_green.throttle.closure import GateState
from pywats_green.throttle.gate import BY_HAND, Gate
from pywats_green.throttle.gates import Gates
from pywats_green.throttle.line import Line
from pywats_green.throttle.permit import Permit
from pywats_green.throttle.shared_gate import Passes, SharedGate
from pywats_green.throttle.tally import Tally

__all__ = [
    "BY_HAND",
    "Gate",
    "GateState",
    "Gates",
    "Line",
    "Passes",
    "Permit",
    "SharedGate",
    "Tally",
]
