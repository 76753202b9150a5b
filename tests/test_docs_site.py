"""The site has every public name and every page; make docs finds what is broken in it."""

import re

import yaml
from documents import DOCUMENTS, ROOT

import pywats_green
from pywats_green import testing

API = sorted((ROOT / "docs" / "api").glob("*.md"))
_NAME = re.compile(r"^(?:::: |### .*\{#)pywats_green\.(?!fleet)((?:testing\.)?\w+)", re.MULTILINE)


def _documented() -> list[str]:
    return [name for page in API for name in _NAME.findall(page.read_text("utf-8"))]


def test_the_reference_has_every_public_name_once() -> None:
    named = [name for name in _documented() if not name.startswith(("testing.", "fleet."))]
    assert sorted(named) == sorted(pywats_green.__all__)


def test_the_reference_has_what_tests_import() -> None:
    named = {name.removeprefix("testing.") for name in _documented() if name.startswith("testing.")}
    assert named == set(testing.__all__)


def test_the_navigation_has_every_page() -> None:
    # Without its tags of Python objects, which a safe loader refuses.
    text = re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text("utf-8"))
    pages = set(_leaves(yaml.safe_load(text)["nav"]))
    docs = ROOT / "docs"
    there = {path.relative_to(docs).as_posix() for path in DOCUMENTS if docs in path.parents}
    assert pages == there | {"index.md", "changelog.md"}  # from the README and the changelog


def _leaves(nav: object) -> list[str]:
    if isinstance(nav, dict):
        return [leaf for value in nav.values() for leaf in _leaves(value)]
    if isinstance(nav, list):
        return [leaf for value in nav for leaf in _leaves(value)]
    return [str(nav)]
