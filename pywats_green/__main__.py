"""Start the command line: `python -m pywats_green`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pywats_green.cli import commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The arguments after `python -m pywats_green`. None: those of this process.

    Returns:
        The exit status; see `cli.errors`.

    Raises:
        SystemExit: After Ctrl-C.
        BaseException: With `run`, whatever the script raises.
    """
    return commands.main(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
