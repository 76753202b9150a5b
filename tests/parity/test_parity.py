"""Every public method of the ten domains, and the wire below them: green does what upstream does.

The same calls are made by upstream alone in one process, by green in another and by green on its
optional transport in a third, each against servers of its own in the same state. Results,
exceptions and the requests as the servers saw them must be the same, but for the differences that
are listed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from parity.differences import LISTED, WORDS, Difference
from parity.passes import DOMAINS, PASSES
from parity.servers import RUN_TIMEOUT, driver

# The first test waits for the drivers.
pytestmark = pytest.mark.timeout(RUN_TIMEOUT + 20)
LONG = pytest.mark.long

DOCUMENT = Path(__file__).parents[2] / "docs" / "upstream-differences.md"
SHORT = ["methods", "strict"]
"""The passes of a run without the tests marked long: each method once."""

SHOWN = 260
"""How many characters of each side a failure shows, from a little before the first difference."""


class Found(NamedTuple):
    """A difference between the two runs."""

    where: str
    plain: str
    green: str

    def __str__(self) -> str:
        pairs = enumerate(zip(self.plain, self.green, strict=False))
        at = next((i for i, (ours, theirs) in pairs if ours != theirs), 0)
        shown = slice(max(0, at - SHOWN // 4), at + SHOWN)
        return f"{self.where}\n  upstream: {self.plain[shown]}\n  green:    {self.green[shown]}"


class Run(NamedTuple):
    """What a driver recorded."""

    records: dict[str, Any]
    stderr: str


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("parity")
    here = (item for item in request.session.items if item.path == Path(__file__))
    passes = list(PASSES) if any(item.get_closest_marker("long") for item in here) else SHORT
    drivers = {"plain": passes, "green": passes}
    with ExitStack() as stack:
        started = [
            stack.enter_context(driver(mode, folder / mode, passes))
            for mode, passes in drivers.items()
        ]
        ended = [process.wait(timeout=RUN_TIMEOUT) for process in started]
    stderr = {
        mode: (folder / mode / "stderr.txt").read_text(encoding="utf-8", errors="replace")
        for mode in drivers
    }
    assert set(ended) == {0}, stderr
    outs = {mode: (folder / mode / "out.json").read_text(encoding="utf-8") for mode in drivers}
    return {mode: Run(json.loads(outs[mode]), stderr[mode]) for mode in drivers}


@pytest.fixture(scope="module")
def found(runs: dict[str, Run]) -> list[Found]:
    """Return what the green driver did differently."""
    green = runs["green"].records
    return [
        difference
        for name in green.keys() - {"methods"}
        for group, records in runs["plain"].records[name].items()
        for difference in _compared(f"{name}/{group}", records, green[name][group])
    ]


def _compared(
    where: str, plain: list[dict[str, Any]], green: list[dict[str, Any]]
) -> Iterator[Found]:
    assert [record["row"] for record in plain] == [record["row"] for record in green]
    for ours, theirs in zip(green, plain, strict=True):
        for part in sorted((ours.keys() | theirs.keys()) - {"row", "method"}):
            sides = [_shown(record.get(part)) for record in (theirs, ours)]
            if sides[0] != sides[1]:
                yield Found(f"{where}/{theirs['row']}/{part}", *sides)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _accounted_for(difference: Found, by: tuple[Difference, ...]) -> bool:
    return any(known.covers(*difference) for known in by)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_public_method_has_a_row(runs: dict[str, Run], domain: str) -> None:
    public = set(runs["plain"].records["methods"][domain])
    called = {record["method"] for record in runs["plain"].records["strict"][domain]}
    assert public, "introspection found nothing"
    assert public - called == set(), f"add rows to tests/parity/tables/{domain}.py"
    if metadata.version("pywats-api").startswith("0.6"):
        assert called - public == set(), "rows of methods that do not exist"


@pytest.mark.parametrize("mode", ["plain", "green"])
def test_every_row_is_called_as_written(runs: dict[str, Run], mode: str) -> None:
    if not metadata.version("pywats-api").startswith("0.6"):
        pytest.skip("the rows are written for the methods of 0.6")
    strict = runs[mode].records["strict"]
    records = [record for group in strict.values() for record in group]
    assert [record["row"] for record in records if "unresolved" in record["outcome"]] == []


@pytest.mark.parametrize(
    "name",
    ["strict", *(pytest.param(name, marks=LONG) for name in PASSES if name not in SHORT)],
)
def test_green_does_what_upstream_does(found: list[Found], name: str) -> None:
    unaccounted = [
        difference
        for difference in found
        if difference.where.startswith(f"{name}/")
        and not _accounted_for(difference, (*LISTED, *WORDS))
    ]
    if unaccounted:
        pytest.fail("\n".join(["not as upstream:", *map(str, unaccounted)]), pytrace=False)


@LONG
@pytest.mark.parametrize("listed", [*LISTED, *WORDS], ids=lambda listed: listed.key)
def test_a_listed_difference_still_occurs(found: list[Found], listed: Difference) -> None:
    assert any(listed.covers(*each) for each in found), "take it off the list"


def test_green_prints_no_traceback_of_its_own(runs: dict[str, Run]) -> None:
    tracebacks = {mode: run.stderr.count("Traceback") for mode, run in runs.items()}
    if max(tracebacks.values()) > tracebacks["plain"]:
        pytest.fail("\n".join(run.stderr for run in runs.values()), pytrace=False)


def test_the_document_lists_what_is_listed_here() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    row = re.compile(r"^\| \*\*(.+?)\*\* \|.*\| \(([a-d])\) \|", re.MULTILINE)
    documented, listed = set(row.findall(text)), {(each.key, each.kind) for each in LISTED}
    assert listed <= documented
    # Nearly all of kind (d) only show over many calls.
    assert {kind for _, kind in documented - listed} == {"d"}
    words = re.compile(r"^- \*\*(.+?)\*\*", re.MULTILINE)
    assert sorted(words.findall(text)) == sorted(listed.key for listed in WORDS)
