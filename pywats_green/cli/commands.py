"""The table of commands, and their dispatch."""

from __future__ import annotations

import errno
import importlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn, Union, cast

import click
from click.shell_completion import shell_complete

from pywats_green import config
from pywats_green._version import __version__
from pywats_green.cli.console import make_printable, say
from pywats_green.cli.errors import INTERRUPTED, NOT_CONFIGURED, CommandError, redact

SCRIPT = "pywats-green"  # the installed command
PROGRAM = SCRIPT if Path(sys.argv[0]).stem == SCRIPT else "python -m pywats_green"
COMPLETE = "_PYWATS_GREEN_COMPLETE"  # the variable by which a shell asks for completions

Outcome = Union[int, Callable[[], int]]  # noqa: UP007  # at run time
"""What a command returns: the exit status, or the user's program that is to be run for it."""


class Entry(NamedTuple):
    """One row of the table.

    Attributes:
        name: Name of the command, and of its module in `pywats_green.cli`, which has it as
            `command`.
        summary: One line for `--help`.
        is_program: Whether it runs the user's own program, to which output, signals and errors are
            left.
    """

    name: str
    summary: str
    is_program: bool = False

    def load(self) -> click.Command:
        """Import the module. Only the command that runs is imported."""
        module = importlib.import_module(f"pywats_green.cli.{self.name}")
        found = cast("click.Command", module.command)
        found.name, found.short_help = self.name, self.summary
        return _fitting(found)


COMMANDS = (
    Entry("demo", "Measure reports, products and assets: one by one and green."),
    Entry("run", "Run a Python script or module green, without changing it.", is_program=True),
    Entry("drain", "Send the reports waiting in a folder."),
    Entry("queue", "Show and change what is in the folder of a queue."),
    Entry("fleet", "Show who shares a rate limit, and how much of it is used."),
    Entry("bench", "Measure how many calls at once pay off on your server."),
    Entry("doctor", "Check this installation, and your server."),
    Entry("serve", "Run the embedded WATS server for your own tests."),
    Entry("kernel", "Start a green kernel for notebooks, or install its kernel spec."),
    Entry("completion", "Print the script that completes commands in your shell."),
)

_MOST_COLUMNS = 100


class _Formatter(click.HelpFormatter):
    """Leaves room for the texts on narrow terminals."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        super().write_dl(rows, min(col_max, self.width // 3), col_spacing)


class _Context(click.Context):
    def make_formatter(self) -> click.HelpFormatter:
        """Fit narrow terminals, too: click's own takes 50 columns at least."""
        return _Formatter(width=min(shutil.get_terminal_size().columns, _MOST_COLUMNS) - 2)


def _fitting(command: click.Command) -> click.Command:
    """Let the help of a command and those below it fit."""
    command.context_class = _Context
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _fitting(below)
    return command


class _Program(click.Group):
    """All commands, by name; each is loaded when it is chosen."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [entry.name for entry in COMMANDS]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        for entry in COMMANDS:
            if entry.name == name:
                command = entry.load()
        return name, command, rest


program = _Program(
    help="Runs the blocking pywats client concurrently in gevent greenlets.",
    epilog=(
        "Exit status: 0 done; 1 something failed, remains or is in quarantine; 2 wrong use; "
        "3 not configured; 4 the server is away."
    ),
    commands={
        entry.name: click.Command(entry.name, short_help=entry.summary) for entry in COMMANDS
    },
)
_fitting(program)
click.version_option(__version__, prog_name="pywats_green", message="%(prog)s %(version)s")(program)


def main(argv: Sequence[str]) -> int:
    """Run the command named in `argv`.

    Args:
        argv: The arguments after the program name.

    Returns:
        The exit status.

    Raises:
        SystemExit: After Ctrl-C.
        BaseException: Whatever a program raises that `run` runs.
    """
    name = argv[0] if argv else ""
    if not any(entry.is_program and entry.name == name for entry in COMMANDS):
        make_printable()
    try:
        with quiet_interrupt():
            outcome = _invoke([*argv])
        return outcome() if callable(outcome) else outcome
    except CommandError as exc:
        make_printable()
        say(f"{PROGRAM} {name}: {redact(exc)}")
        return exc.status


def _invoke(words: list[str]) -> Outcome:
    instruction = os.environ.get(COMPLETE)
    if instruction:
        return shell_complete(program, {}, SCRIPT, COMPLETE, instruction)
    if config.refused is not None and not _needs_no_settings(words):
        raise CommandError(str(config.refused), NOT_CONFIGURED)
    try:
        with program.make_context(PROGRAM, words) as context:
            return cast("Outcome", program.invoke(context))
    except click.exceptions.Exit as exc:  # after --help and --version
        return exc.exit_code
    except click.ClickException as exc:
        make_printable()
        exc.show()
        return exc.exit_code
    except click.Abort:  # a question was not answered with yes
        say("")
        raise CommandError("stopped: nothing was done") from None
    except OSError as exc:
        if not _nobody_reads(exc):
            raise
        # Nobody reads stdout any more; flushing its buffer must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _needs_no_settings(words: Sequence[str]) -> bool:
    """Return whether words ask for what no setting changes, or for why one was refused."""
    first, last = words[:1], words[-1:]
    if first and first[0] in ("doctor", "completion", "--version"):
        return True
    return last == ["--help"] and first != ["run"]  # whose program may have such an option


def _nobody_reads(error: OSError) -> bool:
    """Return whether an error means that nobody reads stdout, which Windows calls EINVAL."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


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
