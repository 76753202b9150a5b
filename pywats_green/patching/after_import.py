"""Changes a module of somebody else when it is imported, so that nobody pays who never does."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def when_imported(name: str, change: Callable[[], object]) -> None:
    """Call `change` once, right after a module was imported: now, if it already is.

    Args:
        name: Full name of the module.
        change: Changes it; what it raises fails the import.
    """
    if name in sys.modules:
        change()
    else:
        sys.meta_path.insert(0, _Finder(name, change))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, as the other finders do, and takes itself off."""

    def __init__(self, name: str, change: Callable[[], object]) -> None:
        self._name = name
        self._change = change

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the others find, with a loader that changes the module."""
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            sys.meta_path.insert(0, self)  # it may be installed later
            return spec
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # a reload is the loader's own business
            execute(module)
            self._change()

        loader.exec_module = exec_module
        return spec
