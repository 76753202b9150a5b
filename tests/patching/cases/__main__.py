"""Runs a program: cases NAME plain|green [ARGUMENT...]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cases import libraries, loops, upstream, wrapping  # noqa: F401  # they register themselves
from cases.base import CASES

CASES[sys.argv[1]](*sys.argv[3:])
