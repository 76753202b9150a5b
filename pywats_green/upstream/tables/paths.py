"""Paths as IIS compares them: by segment, case-insensitive, percent-decoded, without query."""

from __future__ import annotations

from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")


def segments_of(path: str) -> list[str]:
    """Split a path into segments. Empty for a path with dot segments, which leads elsewhere."""
    path = path.partition("?")[0].partition("#")[0].lower()
    if "%" in path or "\\" in path:
        path = unquote(path).replace("\\", "/").lower()
    segments = [segment for segment in path.split("/") if segment]
    if "/." in path and not {".", ".."}.isdisjoint(segments):
        return []
    return segments


class PathTrie(Generic[T]):
    """Values by path template, in which a segment with a `{placeholder}` matches any segment."""

    __slots__ = ("_any_segment", "_segments", "_value")

    def __init__(self) -> None:
        self._segments: dict[str, PathTrie[T]] = {}
        self._any_segment: PathTrie[T] | None = None
        self._value: T | None = None

    def add(self, template: str, value: T) -> None:
        """Add a value, unless another spelling of the template has one already."""
        node = self
        for segment in segments_of(template):
            if "{" in segment:
                node._any_segment = node = node._any_segment or PathTrie()
            else:
                node = node._segments.setdefault(segment, PathTrie())
        if node._value is None:
            node._value = value

    def find(self, path: str) -> T | None:
        """Return the value of the template that matches a path; None if there is none."""
        return self._find(segments_of(path), 0)

    def _find(self, segments: list[str], at: int) -> T | None:
        """Walk down to a value; names take precedence over placeholders."""
        if at == len(segments):
            return self._value
        for below in (self._segments.get(segments[at]), self._any_segment):
            if below is not None:
                value = below._find(segments, at + 1)
                if value is not None:
                    return value
        return None
