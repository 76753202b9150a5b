"""`run`: runs a script as `__main__`, as if started by Python, but green."""

from __future__ import annotations

import argparse
import builtins
import importlib.machinery
import importlib.util
import os
import pkgutil
import sys
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, NamedTuple

import gevent

from pywats_green.cli.errors import WRONG_USE, CommandError
from pywats_green.upstream.hooks.seams import is_installed

# The interpreter keeps a borrowed reference to the namespace of the original `__main__`, and would
# crash at exit if that were freed after its replacement.
_started_with = sys.modules["__main__"]

BYTECODE_SUFFIXES = tuple(importlib.machinery.BYTECODE_SUFFIXES)


class Program(NamedTuple):
    """The program to execute.

    Attributes:
        code: Its code.
        attributes: Attributes of `__main__`.
        path_entry: First entry of `sys.path`.
    """

    code: CodeType
    attributes: dict[str, Any]
    path_entry: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.usage = "python -m pywats_green run SCRIPT [ARGS ...]"
    parser.add_argument(
        "script", metavar="SCRIPT", help="a Python file, or a folder or zip with a __main__.py"
    )
    parser.add_argument_group(
        "ARGS", "Everything after SCRIPT, even options, goes to the script, as in `python SCRIPT`."
    )


def execute(options: argparse.Namespace) -> int:
    """Run the script in this process.

    Returns:
        0 if the script ran to its end.

    Raises:
        CommandError: There is nothing to run at that path.
        BaseException: Whatever the script raises, including SystemExit and KeyboardInterrupt. The
            interpreter turns it into the exit status; the traceback it prints starts in the
            script.
    """
    script: str = options.script
    if is_installed():
        # Otherwise, the hub prints a traceback of its own on Ctrl-C.
        hub = gevent.get_hub()
        hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)
    sys.argv[:] = [script, *options.script_args]
    main = ModuleType("__main__")
    namespace = vars(main)
    sys.modules["__main__"] = main
    namespace["__builtins__"] = builtins
    try:
        program = _load(script)
        if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):  # 3.11 and later
            sys.path[0] = program.path_entry
        namespace.update(program.attributes)
        if sys.version_info < (3, 14):
            namespace["__annotations__"] = {}
        exec(program.code, namespace)  # noqa: S102  # running the script is the command
    except (CommandError, SystemExit):
        raise
    except BaseException:
        _hide_own_frames(namespace)
        raise
    return 0


def _load(script: str) -> Program:
    """Compile a script, or load the `__main__` of a folder or an archive.

    Raises:
        CommandError: There is nothing to run.
        SyntaxError: The script does not compile.
    """
    file = _absolute(script)
    if pkgutil.get_importer(file) is not None:
        return _load_container(file)
    loader: Any
    try:
        if script.endswith(BYTECODE_SUFFIXES):
            loader = importlib.machinery.SourcelessFileLoader("__main__", file)
            code = loader.get_code("__main__")
        else:
            loader = importlib.machinery.SourceFileLoader("__main__", file)
            code = compile(Path(script).read_bytes(), file, "exec", dont_inherit=True)
    except OSError as exc:
        raise CommandError(
            f"can't open file {file!r}: [Errno {exc.errno}] {exc.strerror}. "
            "Give an existing Python script",
            WRONG_USE,
        ) from exc
    attributes = {"__file__": file, "__cached__": None, "__loader__": loader, "__package__": None}
    entry = os.path.dirname(os.path.realpath(script) if os.name == "posix" else file)  # noqa: PTH120
    return Program(code, attributes, entry)


def _load_container(path: str) -> Program:
    importer: Any = pkgutil.get_importer(path)
    spec: importlib.machinery.ModuleSpec | None = importer.find_spec("__main__")
    loader: Any = None if spec is None else spec.loader
    code = None if loader is None else loader.get_code("__main__")
    if spec is None or code is None:
        raise CommandError(
            f"can't find '__main__' module in {path!r}. Give a script, or add a __main__.py"
        )
    attributes = {
        "__file__": spec.origin, "__cached__": spec.cached, "__loader__": loader,
        "__package__": "", "__spec__": spec,
    }  # fmt: skip
    return Program(code, attributes, path)


def _absolute(script: str) -> str:
    """Return the path as the interpreter would set it as `__file__`."""
    if os.name != "posix":
        return os.path.abspath(script)  # noqa: PTH100
    return os.path.join(os.getcwd(), script)  # noqa: PTH109, PTH118  # Path would normalise it


def _hide_own_frames(script_globals: dict[str, Any]) -> None:
    """Remove this package's frames from the traceback that the interpreter will print.

    Done in `sys.excepthook`, wrapping one that the script may have set: the error itself must
    propagate, so that the interpreter handles exit status and signals.
    """
    hook = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        while traceback is not None and traceback.tb_frame.f_globals is not script_globals:
            traceback = traceback.tb_next
        sys.last_traceback = traceback
        sys.excepthook = hook
        hook(kind, error.with_traceback(traceback), traceback)

    sys.excepthook = excepthook
