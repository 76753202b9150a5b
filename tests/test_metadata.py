"""What PyPI shows, and the places that follow pyproject.toml."""

import email
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

REPOSITORY = "https://github.com/pywats-green/pywats_green"
PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> "email.message.Message[str, str]":
    """What setuptools makes of pyproject.toml and setup.py."""
    folder = tmp_path_factory.mktemp("metadata")
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "invalid" in done.stderr and "license" in done.stderr:
        pytest.skip("this setuptools is older than the build requires")
    assert done.returncode == 0, done.stderr
    found = (folder / "pywats_green.egg-info" / "PKG-INFO").read_text("utf-8")
    return email.message_from_string(found)


def test_the_links_of_the_readme_hold_on_pypi(metadata: "email.message.Message[str, str]") -> None:
    text = str(metadata.get_payload())
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    assert all(link.startswith("https://") for link in links)
    picture = re.search(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert picture is not None
    assert picture[1].startswith(f"{REPOSITORY}/raw/v")


def test_who_made_it_and_where_it_lives(metadata: "email.message.Message[str, str]") -> None:
    assert metadata["Author"]
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL", []))
    assert urls["Repository"] == REPOSITORY
    assert set(urls) == {"Repository", "Documentation", "Changelog", "Issues"}


def test_all_places_name_the_same_repository() -> None:
    assert f'Repository = "{REPOSITORY}"' in PROJECT
    assert f"repo_url: {REPOSITORY}\n" in (ROOT / "mkdocs.yml").read_text("utf-8")
    for path in [*(ROOT / ".github").rglob("*.yml"), *ROOT.glob("*.md"), ROOT / "CHANGELOG.md"]:
        for found in re.findall(r"https://github\.com/pywats[\w./-]*", _text(path)):
            assert found.startswith(REPOSITORY), path


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_changelog_has_this_version_or_what_will_be_in_it() -> None:
    from pywats_green import __version__

    version = rf"^## \[({re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d|Unreleased\])$"
    assert re.search(version, _text(ROOT / "CHANGELOG.md"), re.MULTILINE)


def test_the_readme_fits_on_a_page() -> None:
    assert len(_text(ROOT / "README.md").splitlines()) < 120
