"""Each test has a clock and a tally of its own."""

import pytest

from pywats_green.throttle import Tally
from throttle.clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tally() -> Tally:
    return Tally()
