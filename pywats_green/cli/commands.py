"""The table of commands, and their dispatch."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn, Protocol, cast

from pywats_green._version import __version__
from pywats_green.cli.errors import WRONG_USE, CommandError, redact

PROGRAM = "python -m pywats_green"
_PROGRAM_FLAGS = ("-m", "-c")  # a module, or code, instead of a script
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class CommandModule(Protocol):
    """The interface of a command's module."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def execute(self, options: argparse.Namespace) -> int:
        """Run the command and return the exit status."""


class Command(NamedTuple):
    """One row of the table.

    Attributes:
        name: Name of the command, and of its module in `pywats_green.cli`.
        summary: One line for `--help`.
        is_script: Whether it runs a user's script: the first positional argument ends the options,
            and signals and errors are left to the script.
    """

    name: str
    summary: str
    is_script: bool = False

    def load(self) -> CommandModule:
        """Import the module. Only the command that runs is imported."""
        return cast("CommandModule", importlib.import_module(f"pywats_green.cli.{self.name}"))


COMMANDS = (
    Command("demo", "measure reports, products and assets: one by one and green"),
    Command("run", "run a Python script or module green, without changing it", is_script=True),
    Command("drain", "send the reports waiting in a folder"),
    Command("queue", "show and change what is in the folder of a queue"),
    Command("serve", "run the embedded WATS server for your own tests"),
    Command("kernel", "start a green kernel for notebooks, or install its kernel spec"),
    Command("doctor", "check this installation, and that calls run green on it"),
)


def main(argv: Sequence[str]) -> int:
    """Run the command named in `argv`.

    Args:
        argv: The arguments after the program name.

    Returns:
        The exit status.

    Raises:
        SystemExit: After `--help`, `--version`, a usage error and Ctrl-C.
    """
    own, rest = split_script(argv)
    parser = _parser(own[0] if own else "")
    options = parser.parse_args(own)
    if options.command is None:
        parser.print_help(sys.stderr)
        return WRONG_USE
    command: Command = options.command
    if not command.is_script:
        _make_printable()
    try:
        if command.is_script:
            options.script_args = rest
            return command.load().execute(options)
        with quiet_interrupt():
            return command.load().execute(options)
    except CommandError as exc:
        print(f"{PROGRAM} {command.name}: {redact(exc)}", file=sys.stderr)
        return exc.status
    except OSError as exc:
        if command.is_script or not _nobody_reads(exc):
            raise
        # Nobody reads stdout any more; flushing its buffer must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _nobody_reads(error: OSError) -> bool:
    """Return whether an error means that nobody reads stdout, which Windows calls EINVAL."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def _make_printable() -> None:
    """Let everything be printed: without a console (pythonw), and in its code page with one."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # for good
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def split_script(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate this program's arguments from those of a script.

    Args:
        argv: The arguments after the program name.

    Returns:
        The arguments for argparse, up to and including the script; those for the script, unchanged.
    """
    words = list(argv)
    if words and any(command.is_script and command.name == words[0] for command in COMMANDS):
        for position, word in enumerate(words[1:], start=2):
            names_program = words[position - 2] in _PROGRAM_FLAGS
            if names_program or not word.startswith("-") or _has_program_attached(word):
                return words[:position], words[position:]
    return words, []


def _has_program_attached(word: str) -> bool:
    return word.startswith(_PROGRAM_FLAGS) and word not in _PROGRAM_FLAGS


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Runs the blocking pywats client concurrently in gevent greenlets.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pywats_green {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name, help=command.summary, description=command.summary, allow_abbrev=False
        )
        sub.set_defaults(command=command)
        if command.name == chosen:
            command.load().add_arguments(sub)
    return parser


@contextmanager
def quiet_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the command with status 130, without a traceback.

    A KeyboardInterrupt would make gevent's hub print a traceback.
    """

    def leave(_signum: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(INTERRUPTED)

    try:
        before = signal.signal(signal.SIGINT, leave)
    except ValueError:  # not in the main thread, so Ctrl-C is somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
