"""How commands print: for a terminal with colour and at its width, else plain and unwrapped."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pywats_green.table import one_line

if TYPE_CHECKING:
    from rich.console import Console

# Without a terminal, a line stays a line, whatever its length, so that programs can read it.
_UNWRAPPED = 100_000


def make_printable() -> None:
    """Let everything be printed: without a console (pythonw), and in its code page with one."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # for good
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def out() -> Console:
    """Return the console of stdout, for results."""
    return console_of(sys.stdout)


def err() -> Console:
    """Return the console of stderr, for everything else."""
    return console_of(sys.stderr)


def console_of(stream: TextIO) -> Console:
    """Return a console for a stream. Nothing in a text is markup."""
    from rich.console import Console  # noqa: PLC0415  # takes a while, and --json needs none

    if stream.isatty():
        return Console(file=stream, markup=False, emoji=False, highlight=False)
    return Console(
        file=stream, markup=False, emoji=False, highlight=False,
        width=_UNWRAPPED, force_terminal=False, no_color=True,
    )  # fmt: skip


def plain(text: object) -> str:
    """Return a text as one line without control sequences, in the terminal's encoding.

    Args:
        text: Untrusted text, such as file names and errors.
    """
    line = one_line(str(text))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def say(line: str) -> None:
    """Print a line on stderr; stdout is for results only.

    A drain must go on, and still obey signals, although nobody reads stderr any more.
    """
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
