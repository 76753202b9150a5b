"""Each promise in docs/reliability.md names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^\| ([A-Z`].+?) \| (`tests/.+`) \|$", TEXT, re.MULTILINE)

_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_promise_has_a_test() -> None:
    promised = TEXT.partition("## What is not promised")[0]
    rows = [line for line in promised.splitlines() if line.startswith("|")]
    assert len(PROMISES) == len(rows) - 4  # two tables, each with two lines of head


@pytest.mark.parametrize(("promise", "tests"), PROMISES)
def test_the_tests_of_a_promise_exist(promise: str, tests: str) -> None:
    named = _NAMED.findall(tests)
    assert len(named) == tests.count("::")
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{path}::{name}"
