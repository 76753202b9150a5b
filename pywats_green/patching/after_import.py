"""Changes a module of somebody else when it is imported, so that nobody pays who never does."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

During = Callable[[], AbstractContextManager[object]]
_Change = tuple[Callable[[], object], During]

_NOTHING: _Change = (lambda: None, nullcontext)  # for a second module of that name


def when_imported(name: str, change: Callable[[], object], during: During = nullcontext) -> None:
    """Call `change` once, right after a module was imported: now, if it already is.

    Args:
        name: Full name of the module.
        change: Changes it; what it raises fails the import.
        during: Returns a context in which the module is executed, if it was not yet.
    """
    if name in sys.modules:
        change()
        return
    _FINDER.waiting[name] = change, during
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are waited for, as the other finders do."""

    def __init__(self) -> None:
        self.waiting: dict[str, _Change] = {}
        self._asking: set[str] = set()

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the others find, with a loader that changes the module."""
        if fullname not in self.waiting or fullname in self._asking:
            return None
        self._asking.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking.remove(fullname)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = _Loader(spec, self.waiting)
        spec.loader = loader
        return spec


class _Loader:
    """Stands before a module's loader until the module is executed. Some are shared by many."""

    def __init__(self, spec: ModuleSpec, waiting: dict[str, _Change]) -> None:
        self._spec = spec
        self._loader: Any = spec.loader
        self._waiting = waiting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        """Let the loader create it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Let the loader execute it, and change it."""
        self._spec.loader = module.__loader__ = self._loader  # a reload is its own business
        change, during = self._waiting.get(self._spec.name, _NOTHING)
        with during():
            self._loader.exec_module(module)
        self._waiting.pop(self._spec.name, None)
        change()


_FINDER = _Finder()
