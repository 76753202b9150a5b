"""Reads README.md for the metadata, with links that hold on PyPI. All else is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


def readme() -> str:
    """Return README.md with absolute links: to this version, and to pictures as they are."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    version = (ROOT / "pywats_green" / "_version.py").read_text("utf-8").split('"')[-2]
    repository = re.search(r'^Repository = "([^"]+)"$', project, re.MULTILINE)
    if repository is None:
        raise SystemExit("pyproject.toml names no Repository")

    def absolute(link: "re.Match[str]") -> str:
        picture, text, path = link.groups()
        kind = "raw" if picture else "blob"
        return f"{picture}{text}({repository[1]}/{kind}/v{version}/{path})"

    return _LINK.sub(absolute, (ROOT / "README.md").read_text("utf-8"))


setup(long_description=readme(), long_description_content_type="text/markdown")
