"""Start the command line: `python -m pywats_green`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pywats_green.cli import commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The words after `python -m pywats_green`. None: those of this process.

    Returns:
        The exit status: 0 well, 1 something failed, 2 wrong use.

    Raises:
        SystemExit: As argparse does, after `--help`, `--version` and wrong use.
        BaseException: With `run`: what the script raises.
    """
    return commands.main(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
