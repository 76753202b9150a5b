"""`completion`: prints what a shell needs to complete commands, options and folders."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pywats_green.cli.commands import COMPLETE, SCRIPT, program

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog=(
        f'For bash, add `eval "$({SCRIPT} completion bash)"` to ~/.bashrc; for zsh, the same with '
        f"zsh to ~/.zshrc; for fish, write the output to ~/.config/fish/completions/{SCRIPT}.fish."
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the script that completes the command pywats-green in a shell."""
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101  # click has them all
    # Disabled, it answers a shell in half the time.
    quickly = f"PYWATS_GREEN_DISABLE=1 {COMPLETE}="
    source = made(program, {}, SCRIPT, COMPLETE).source().replace(f"{COMPLETE}=", quickly)
    # click's own cuts a description, or a name, at its first comma in fish.
    print(source.replace('string split "," ', 'string split -m 1 "," '))
    return 0
