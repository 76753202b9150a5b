"""What an index shows of this package has no links that lead nowhere."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

pytest.importorskip("setuptools")

ROOT = Path(__file__).parents[1]


def test_links_into_the_repository_are_plain_text() -> None:
    spec = spec_from_file_location("description", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = module.description(readme)
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert links
    assert all(link.startswith("https://") for link in links)
    assert "Getting started: import order" in text
    assert "![" not in text
    assert module.description("[a](b) ![c](d) [e](https://f)") == "a !c [e](https://f)"
