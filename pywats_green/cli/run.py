"""`run`: a script as `__main__`, as if Python had been started with it, but green."""

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

# The interpreter goes on writing into the namespace of the module it started with, without holding
# on to it: were it freed once another takes its place, the process would crash at its end.
_started_with = sys.modules["__main__"]

BYTECODE_SUFFIXES = tuple(importlib.machinery.BYTECODE_SUFFIXES)


class Program(NamedTuple):
    """What is to be executed.

    Attributes:
        code: The code.
        attributes: What `__main__` holds beside it.
        path_entry: The first entry of `sys.path`.
    """

    code: CodeType
    attributes: dict[str, Any]
    path_entry: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "python -m pywats_green run SCRIPT [ARGS ...]"
    parser.add_argument(
        "script", metavar="SCRIPT", help="a Python file, or a folder or zip with a __main__.py"
    )
    parser.add_argument_group(
        "ARGS", "All that follows SCRIPT goes to the script, options too, as with `python SCRIPT`."
    )


def execute(options: argparse.Namespace) -> int:
    """Run the script in this process.

    Returns:
        0, when the script came to its end.

    Raises:
        CommandError: There is nothing to run at that path.
        BaseException: What the script raises, SystemExit and KeyboardInterrupt among it. The
            interpreter turns it into the exit status; the traceback it prints starts in the
            script.
    """
    script: str = options.script
    if is_installed():
        # The hub would print a traceback of its own where Ctrl-C meets it.
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
    """Compile the script, or find what a folder or an archive holds.

    Raises:
        CommandError: Nothing can be run there.
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
            "Name an existing Python script",
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
            f"can't find '__main__' module in {path!r}. Name a script, or add a __main__.py"
        )
    attributes = {
        "__file__": spec.origin, "__cached__": spec.cached, "__loader__": loader,
        "__package__": "", "__spec__": spec,
    }  # fmt: skip
    return Program(code, attributes, path)


def _absolute(script: str) -> str:
    """Return the path as the interpreter writes it into `__file__`."""
    if os.name != "posix":
        return os.path.abspath(script)  # noqa: PTH100
    return os.path.join(os.getcwd(), script)  # noqa: PTH109, PTH118  # Path would tidy it up


def _hide_own_frames(script_globals: dict[str, Any]) -> None:
    """Cut our frames off the traceback that the interpreter will print.

    Done in `sys.excepthook`, around the one that the script may have set: the error itself must
    go up through our frames, so that the interpreter settles exit status and signals.
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
