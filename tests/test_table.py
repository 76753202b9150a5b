"""Aligned columns of text."""

from pywats_green.table import aligned


def test_aligned() -> None:
    assert aligned([["job", "n"], ["a job", "100"]]) == ["job      n", "a job  100"]
    assert aligned([["a", "b", ""], ["cc", "d", "e"]], left=3) == ["a   b", "cc  d  e"]
