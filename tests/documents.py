"""The documents, and the fenced blocks of code in them.

A comment in the line above a block says what a reader does with it; without one, it runs:

    <!-- not run: why -->       read only; its syntax is checked all the same
    <!-- file: name -->         save it under this name
    <!-- another terminal -->   start it, and leave it running
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<verb>not run|file|another terminal)(?:: (?P<word>[^\n]+))? -->\n)?"
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: The word behind the fence.
        code: What it contains.
        line: The number of its first line.
        verb: The directive above it, or None.
        word: What follows the directive's colon.
    """

    language: str
    code: str
    line: int
    verb: str | None
    word: str | None


def blocks(document: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a document."""
    text = document.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text[: found.start("code")].count("\n") + 1
        code = re.sub(rf"^{found['indent']}", "", found["code"], flags=re.MULTILINE)
        yield Block(found["language"].strip(), code, line, found["verb"], found["word"])


def identity(document: Path) -> str:
    """Return the name of a document for the tests' output."""
    return document.relative_to(ROOT).as_posix()
