"""The statistics of the report."""

import random

import pytest
from estimates import Estimate, estimate, ratio
from tables import number, span, table


def test_one_value_is_its_own_interval() -> None:
    assert estimate([3.0]) == Estimate(3.0, 3.0, 3.0)


def test_the_interval_holds_the_median_and_is_the_same_each_time() -> None:
    values = [random.Random(7).gauss(10, 1) for _ in range(11)]
    found = estimate(values)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
    assert found.median == sorted(values)[5]
    assert estimate(values) == found


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    chance = random.Random(1)
    covered = 0
    for _ in range(100):
        found = estimate([chance.gauss(10, 1) for _ in range(15)])
        covered += found.low <= 10 <= found.high
    assert 88 <= covered <= 100


def test_more_rounds_make_it_narrower() -> None:
    chance = random.Random(3)
    few, many = (estimate([chance.gauss(10, 1) for _ in range(n)]) for n in (9, 400))
    assert many.high - many.low < (few.high - few.low) / 2


def test_ratios_are_taken_within_a_round() -> None:
    machine = [1.0, 2.0, 4.0, 1.5, 3.0]  # its speed changes; both feel it
    found = ratio([8 * speed for speed in machine], [2 * speed for speed in machine])
    assert found == Estimate(4.0, 4.0, 4.0)


def test_rounds_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.98765, "0.988"), (1.04, "1.04"), (12.34, "12.3"), (99.96, "100"),
     (123.4, "123"), (21610, "21,610"), (0.000012, "1.2e-05")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_spans() -> None:
    assert span(None) == ""
    assert span(Estimate(12.34, 11.0, 13.0), "kB") == "12.3 kB [11.0, 13.0]"


def test_tables() -> None:
    assert table(["cell", "contestant", "ratio"], [["a", "b", "1"]]) == [
        "| cell | contestant | ratio |",
        "| --- | --- | ---: |",
        "| a | b | 1 |",
        "",
    ]
