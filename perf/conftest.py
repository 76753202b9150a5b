"""The start button first, as in tests/conftest.py; the contestants are processes of their own."""

import sys
from pathlib import Path

import pywats_green  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))
