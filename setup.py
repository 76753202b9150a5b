"""The description of the package: the README, without links that lead nowhere outside of it."""

import re
from pathlib import Path

from setuptools import setup

_HERE = r"\((?![a-z]+:)[^)]*\)"  # a link into the repository


def description(text: str) -> str:
    """Return a text without the pictures and links that lead into the repository."""
    text = re.sub(rf"^!\[[^]]*\]{_HERE}\n+", "", text, flags=re.MULTILINE)
    return re.sub(rf"\[([^]]*)\]{_HERE}", r"\1", text)


if __name__ == "__main__":
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    setup(long_description=description(readme), long_description_content_type="text/markdown")
