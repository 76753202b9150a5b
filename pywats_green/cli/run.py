"""`run`: runs a script, a module or code as `__main__`, as if started by Python, but green."""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, NamedTuple

import click
import gevent
from click.shell_completion import CompletionItem

from pywats_green.cli.errors import WRONG_USE, CommandError
from pywats_green.upstream.hooks.seams import is_installed

# The interpreter keeps a borrowed reference to the namespace of the original `__main__`, and would
# crash at exit if that were freed after its replacement.
_started_with = sys.modules["__main__"]

_FLAGS = ("-m", "-c")  # a module, or code, instead of a script
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


class _Command(click.Command):
    """Whatever follows the program is the program's own, even options and `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, rest = split(args)
        return super().parse_args(ctx, [*own, "--", *rest])


@click.command(
    cls=_Command,
    options_metavar="",
    epilog="Everything after these, even options, goes to the program, as with `python`.",
)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as python -m.")
@click.option("-c", "code", metavar="CODE", help="Run code, as python -c.")
@click.argument(
    "words",
    nargs=-1,
    type=click.UNPROCESSED,
    shell_complete=lambda _ctx, _param, begun: [CompletionItem(begun, type="file")],
    metavar="(SCRIPT | -m MODULE | -c CODE) [ARGS ...]",
)
def command(module: str | None, code: str | None, words: tuple[str, ...]) -> Callable[[], int]:
    """Run a Python file, or a folder or zip with a __main__.py, or a module or code, green."""
    if module is None and code is None and not words:
        raise click.UsageError("Missing the program: SCRIPT, -m MODULE or -c CODE.")
    if module is not None:
        return partial(execute, "-m", words, partial(_load_module, module))
    if code is not None:
        return partial(execute, "-c", words, partial(_compile, code))
    return partial(execute, words[0], words[1:], partial(_load, words[0]))


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the arguments of `run` from those of the program.

    Returns:
        The arguments up to and including the program; the others, unchanged.
    """
    before = ""
    for position, word in enumerate(words, start=1):
        is_attached = word.startswith(_FLAGS) and word not in _FLAGS
        if before in _FLAGS or is_attached or not word.startswith("-"):
            return [*words[:position]], [*words[position:]]
        before = word
    return [*words], []


def execute(name: str, args: Sequence[str], load: Callable[[], Program]) -> int:
    """Run a program in this process.

    Args:
        name: What is `sys.argv[0]` while it loads.
        args: Its arguments.
        load: Returns it.

    Returns:
        0 if it ran to its end.

    Raises:
        CommandError: There is nothing to run at that path, or no such module.
        BaseException: Whatever the program raises, including SystemExit and KeyboardInterrupt. The
            interpreter turns it into the exit status; the traceback it prints starts in the
            script.
    """
    if is_installed():
        # Otherwise, the hub prints a traceback of its own on Ctrl-C.
        hub = gevent.get_hub()
        hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)
    sys.argv[:] = [name, *args]
    main = ModuleType("__main__")
    namespace = vars(main)
    sys.modules["__main__"] = main
    namespace["__builtins__"] = builtins
    try:
        program = load()
        if not _is_path_safe():
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


def _is_path_safe() -> bool:
    """Return whether the interpreter adds no folder of the program's to `sys.path`."""
    return bool(sys.flags.isolated or getattr(sys.flags, "safe_path", False))  # 3.11 and later


def _compile(code: str) -> Program:
    attributes = {"__loader__": importlib.machinery.BuiltinImporter, "__package__": None}
    return Program(compile(code, "<string>", "exec", dont_inherit=True), attributes, "")


def _load_module(name: str) -> Program:
    """Load a module, or the `__main__` of a package.

    Raises:
        CommandError: There is none, or it has no code.
    """
    folder = os.getcwd()  # noqa: PTH109  # as sys.path has it
    if not _is_path_safe():
        sys.path[0] = folder
    try:
        spec = importlib.util.find_spec(name) if name else None
        if spec is not None and spec.submodule_search_locations is not None:
            name += ".__main__"
            spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as exc:
        if not f"{name}.".startswith(f"{exc.name}."):
            raise  # a package imports what is not there
        spec = None
    loader: Any = None if spec is None else spec.loader
    code = loader.get_code(name) if hasattr(loader, "get_code") else None
    if spec is None or code is None:
        raise CommandError(f"no module named {name!r}, or it has no code to run")
    sys.argv[0] = spec.origin or name
    attributes = {
        "__file__": spec.origin, "__cached__": spec.cached, "__loader__": loader,
        "__package__": spec.parent, "__spec__": spec,
    }  # fmt: skip
    return Program(code, attributes, folder)


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
        is_module = script.isidentifier() and importlib.util.find_spec(script) is not None
        raise CommandError(
            f"can't open file {file!r}: [Errno {exc.errno}] {exc.strerror}. "
            "Give an existing Python script" + f", or: run -m {script}" * is_module,
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
