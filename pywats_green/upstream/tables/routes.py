"""Route templates, derived from upstream's `Routes`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pywats.core.routes import Routes

from pywats_green.upstream.tables.paths import PathTrie


def _templates(holder: Any) -> Iterator[str]:
    """Yield the paths of a class and its nested classes; functions get `{parameter}` names."""
    for name, value in vars(holder).items():
        if name.startswith("_"):
            continue
        if inspect.isclass(value):
            yield from _templates(value)
        elif isinstance(value, staticmethod):
            parameters = inspect.signature(value.__func__).parameters
            yield value.__func__(*(f"{{{parameter}}}" for parameter in parameters))
        else:
            yield value


@lru_cache(maxsize=1)  # built on first use
def _templates_by_path() -> PathTrie[str]:
    trie = PathTrie[str]()
    for template in sorted(set(_templates(Routes))):
        trie.add(template, template)
    return trie


@lru_cache(maxsize=4096)
def template_of(path: str) -> str:
    """Return the route template of a path.

    Args:
        path: As passed to a client, such as "/api/Product/X1"; a query is ignored.

    Returns:
        A template such as "/api/Product/{part_number}"; the path itself if upstream has no route
        for it.
    """
    return _templates_by_path().find(path) or path.partition("?")[0]
