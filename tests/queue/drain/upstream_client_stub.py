"""Lets `pywats_client` be imported where the GUI toolkit that it asks for is not installed.

For processes of their own only: stand-ins without any function take the place of what is missing.
"""

import importlib
import sys
import types

_ASKED_FOR = (
    "PySide6", "PySide6.QtCore", "psutil", "aiofiles",
    "watchdog", "watchdog.observers", "watchdog.events",
)  # fmt: skip


class _StandIn(types.ModuleType):
    __path__ = []  # noqa: RUF012  # as of a package

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *args, **kwargs: None})


def install() -> None:
    for name in _ASKED_FOR:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = _StandIn(name)
