"""Aligned columns of text, for the commands."""

from pywats_green.table import GAP, aligned

__all__ = ["GAP", "aligned"]
