"""Paths as IIS compares them: by segment, case-insensitive, percent-decoded, without query."""

from __future__ import annotations

from urllib.parse import unquote


def segments_of(path: str) -> list[str]:
    """Split a path into segments. Empty for a path with dot segments, which leads elsewhere."""
    path = path.partition("?")[0].partition("#")[0].lower()
    if "%" in path or "\\" in path:
        path = unquote(path).replace("\\", "/").lower()
    segments = [segment for segment in path.split("/") if segment]
    if "/." in path and not {".", ".."}.isdisjoint(segments):
        return []
    return segments
