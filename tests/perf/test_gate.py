"""What the regression gate decides, on numbers whose truth is known; it measures nothing here."""

# ruff: noqa: E402  # the path to perf/ comes first

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "perf"))

import gate
import gate_counting
import gate_environments
import gate_proof
import gate_timing
from gate_counting import COUNTERS, Count, calls_between_markers
from gate_decision import Verdict, bootstrap, judge, judge_counter, overall
from gate_environments import GateError, check_out, find
from gate_report import COMMENT_MARKER, Report
from gate_timing import METRICS, Plan, Sides, Timing, time_metric

SEQUENTIAL, CONCURRENT = METRICS[0], METRICS[1]


def _log_ratios(chance: random.Random, ratio: float, noise: float, count: int = 20) -> list[float]:
    return [math.log(ratio) + chance.gauss(0.0, noise) for _ in range(count)]


def _timing(ratio: float, noise: float, *, clock: str = "wall", seed: int = 1) -> Timing:
    timing = Timing(SEQUENTIAL, clock)
    for log_ratio in _log_ratios(random.Random(seed), ratio, noise):
        timing.add([1e-4, 1e-4], [1e-4 * math.exp(log_ratio)] * 2)
    return timing


def _report(*timings: Timing, counts: tuple[Count, ...] = (), tolerance: float = 0.05) -> Report:
    return Report(
        "main (0123456789)", "abcdef0123", tolerance, "2026-01-01", list(timings), list(counts)
    )


# --- the decision


@pytest.mark.parametrize(
    ("ratio", "noise", "tolerance", "verdict", "least"),
    [
        (1.00, 0.02, 0.05, Verdict.PASS, 0.97),  # A/A
        (1.00, 0.04, 0.10, Verdict.PASS, 0.97),
        (1.08, 0.02, 0.05, Verdict.FAIL, 0.95),  # injected
        (0.70, 0.02, 0.05, Verdict.PASS, 1.00),  # quicker
        (1.05, 0.05, 0.05, Verdict.INCONCLUSIVE, 0.85),  # at the limit, and noisy
    ],
)
def test_the_verdict_is_the_truth_nearly_always(
    ratio: float, noise: float, tolerance: float, verdict: Verdict, least: float
) -> None:
    chance = random.Random(5)
    verdicts = [
        judge(bootstrap(_log_ratios(chance, ratio, noise), resamples=200), tolerance)
        for _ in range(60)
    ]
    assert verdicts.count(verdict) >= least * len(verdicts)


def test_equal_revisions_never_fail_even_under_noise() -> None:
    chance = random.Random(6)
    for _ in range(100):
        interval = bootstrap(_log_ratios(chance, 1.0, 0.08), resamples=200)
        assert judge(interval, 0.05) is not Verdict.FAIL


def test_the_interval_covers_the_true_median() -> None:
    chance = random.Random(7)
    covered = 0
    for _ in range(300):
        interval = bootstrap(_log_ratios(chance, 1.03, 0.03), resamples=200)
        covered += interval.low <= math.log(1.03) <= interval.high
    assert 0.90 <= covered / 300 <= 0.985


def test_the_interval_is_the_same_every_time_and_around_the_median() -> None:
    numbers = _log_ratios(random.Random(8), 1.02, 0.02)
    interval = bootstrap(numbers)
    assert interval == bootstrap(numbers)
    assert min(numbers) <= interval.low < interval.median < interval.high <= max(numbers)


def test_the_limits_belong_to_the_tolerance() -> None:
    exactly = bootstrap([math.log1p(0.05)] * 6)
    assert judge(exactly, 0.05) is Verdict.PASS
    assert judge(exactly, 0.049) is Verdict.FAIL


def test_one_failure_fails_and_one_doubt_leaves_doubt() -> None:
    assert overall([Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]) is Verdict.FAIL
    assert overall([Verdict.PASS, Verdict.INCONCLUSIVE]) is Verdict.INCONCLUSIVE
    assert overall([Verdict.PASS, Verdict.NOT_COMPARED]) is Verdict.PASS
    assert overall([]) is Verdict.NOT_COMPARED


def test_a_round_of_a_slow_spell_does_not_count_for_more_than_itself() -> None:
    timing = Timing(SEQUENTIAL, "wall")
    timing.add([1.0, 1.0, 9.0], [1.1, 1.1, 3.0])
    assert math.exp(timing.log_ratios[0]) == pytest.approx(1.1)


# --- more pairs, up to a cap


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Timing]]:
    """Time the first metric with made-up repetitions: number -> ratio of HEAD to BASE."""

    def play(ratio: Callable[[int], float], plan: Plan) -> list[Timing]:
        def repeat(_: object, __: object, number: int) -> object:
            return (
                [{"wall": 1.0, "cpu": 1.0}] * 2,
                [{"wall": ratio(number), "cpu": 1.0}] * 2,
            )

        monkeypatch.setattr(gate_timing, "_repeat", repeat)
        sides = Sides(None, None, None, Path())  # type: ignore[arg-type]
        timings = time_metric(sides, SEQUENTIAL, plan, lambda _: None)
        assert not isinstance(timings, str)
        return timings

    return play


@pytest.mark.parametrize(("ratio", "verdict"), [(1.0, Verdict.PASS), (1.2, Verdict.FAIL)])
def test_what_is_decided_takes_no_more_pairs(
    play: Callable[..., list[Timing]], ratio: float, verdict: Verdict
) -> None:
    timings = play(lambda _: ratio, Plan(0.10, repetitions=6, most=50))
    assert [len(timing.log_ratios) for timing in timings] == [6, 6]
    assert timings[0].verdict(0.10) is verdict


def test_doubt_takes_more_pairs_until_it_is_decided(play: Callable[..., list[Timing]]) -> None:
    spell = [1.0, 1.3] * 3
    timings = play(
        lambda number: spell[number] if number < 6 else 1.0,
        Plan(0.10, repetitions=6, most=50, step=10),
    )
    assert len(timings[0].log_ratios) == 16
    assert timings[0].verdict(0.10) is Verdict.PASS


def test_doubt_ends_at_the_cap(play: Callable[..., list[Timing]]) -> None:
    timings = play(lambda number: 1.0 + 0.3 * (number % 2), Plan(0.10, 6, 25, step=10))
    assert len(timings[0].log_ratios) == 25
    assert timings[0].verdict(0.10) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("verdicts", "doubt"),
    [
        ({Verdict.INCONCLUSIVE, Verdict.PASS}, True),
        ({Verdict.INCONCLUSIVE, Verdict.FAIL}, False),
        ({Verdict.PASS}, False),
    ],
)
def test_one_clock_that_failed_decides(verdicts: set[Verdict], doubt: bool) -> None:
    assert gate_timing._in_doubt(verdicts) is doubt


# --- counters


def test_a_counter_fails_when_it_grows_by_more_than_its_slack() -> None:
    assert judge_counter(7.0, 7.0, 0.25) is Verdict.PASS
    assert judge_counter(7.0, 7.2, 0.25) is Verdict.PASS
    assert judge_counter(7.0, 8.0, 0.25) is Verdict.FAIL
    assert judge_counter(7.0, 2.0, 0.25) is Verdict.PASS


def test_one_request_more_in_a_hundred_calls_fails() -> None:
    requests = next(counter for counter in COUNTERS if counter.name == "requests")
    assert Count(SEQUENTIAL, requests, 1.0, 1.01).verdict() is Verdict.FAIL


def test_system_calls_are_counted_between_the_markers_alone() -> None:
    log = f"""\
10 openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3
10 newfstatat(AT_FDCWD, {gate_counting.BEGIN}, 0x7ffc, 0) = -1 ENOENT (No such file)
10 sendto(5, "GET /api", 8, 0, NULL, 0) = 8
11 epoll_wait(3, <unfinished ...>
10 recvfrom(5, "HTTP/1.1 200 OK", 65536, 0, NULL, NULL) = 15
11 <... epoll_wait resumed>[], 64, 0) = 0
10 --- SIGCHLD {{si_signo=SIGCHLD}} ---
11 +++ exited with 0 +++
close(5) = 0
10 newfstatat(AT_FDCWD, {gate_counting.END}, 0x7ffc, 0) = -1 ENOENT (No such file)
10 write(1, "{{}}", 2) = 2
"""
    assert calls_between_markers(log.splitlines(keepends=True)) == 4


def test_the_markers_are_those_of_the_workload() -> None:
    workload = (ROOT / "perf" / "gate_workload.py").read_text(encoding="utf-8")
    assert f"BEGIN, END = {gate_counting.BEGIN}, {gate_counting.END}" in workload


def test_every_metric_is_one_of_the_workloads() -> None:
    workload = (ROOT / "perf" / "gate_workload.py").read_text(encoding="utf-8")
    assert all(f'    "{metric.name}": {metric.name},' in workload for metric in METRICS)


def test_without_strace_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert gate_counting.find_tracer() == (None, "strace is not installed")


# --- revisions and directories


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "pywats_green").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "pywats_green" / "__init__.py").write_text("_disabled = True\n")
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "first"],
    ):
        subprocess.run(["git", "-C", str(root), *command], check=True)  # noqa: S607
    return root


def test_a_revision_is_checked_out_as_it_was_committed(repository: Path, tmp_path: Path) -> None:
    (repository / "pyproject.toml").write_text("changed since\n")
    revision = find("main", root=repository)
    assert str(revision) == f"main ({str(revision.commit)[:10]})"
    tree = check_out(revision, tmp_path / "tree", root=repository)
    assert (tree / "pyproject.toml").read_text() == "[project]\n"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tar"] == []


def test_a_directory_is_copied_without_what_is_no_source(repository: Path, tmp_path: Path) -> None:
    for name in (".venv", "build", "x.egg-info"):
        (repository / name).mkdir()
    revision = find(str(repository), root=tmp_path)
    tree = check_out(revision, tmp_path / "tree")
    assert {path.name for path in tree.iterdir()} == {"pyproject.toml", "pywats_green"}


@pytest.mark.parametrize("name", ["no-such-revision", "--all", "HEAD:pyproject.toml"])
def test_what_is_neither_is_one_clear_error(repository: Path, name: str) -> None:
    with pytest.raises(GateError, match="is neither a revision of .* nor a directory"):
        find(name, root=repository)


def test_a_tool_that_fails_is_quoted() -> None:
    with pytest.raises(GateError, match=r"(?s)-c .* failed:.*no index"):
        gate_environments.run([sys.executable, "-c", "import sys; sys.exit('no index')"])


# --- the command line


def test_an_unknown_revision_ends_with_status_2_and_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert gate.main(["no-such-revision", "HEAD"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("gate: 'no-such-revision' is neither")
    assert captured.err.count("\n") == 1
    assert not captured.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "BASE and HEAD are needed"),
        (["HEAD"], "BASE and HEAD are needed"),
        (["a", "b", "--tolerance", "5"], "0.05 is 5 %"),
        (["a", "b", "--repetitions", "2"], "--repetitions is 6 or more"),
        (["a", "b", "--max-repetitions", "8"], "--max-repetitions no less"),
        (["--prove", "a", "b"], "--prove takes one revision"),
        (["--prove", "--json", "x"], "alone"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        gate.main(arguments)
    assert says in capsys.readouterr().err


def test_the_tolerance_is_that_of_a_pull_request_and_stricter_in_the_proof() -> None:
    assert gate.parse(["a", "b"]).tolerance == 0.10
    assert gate.parse(["--prove"]).tolerance == 0.05
    assert gate.parse(["--prove"]).revisions == ["HEAD"]


def test_every_verdict_has_its_status() -> None:
    assert gate.EXIT == {
        Verdict.PASS: 0,
        Verdict.FAIL: 1,
        Verdict.NOT_COMPARED: 2,
        Verdict.INCONCLUSIVE: 3,
    }


# --- the report


def test_the_report_in_its_three_forms() -> None:
    counts = (Count(CONCURRENT, COUNTERS[2], 5.31, 6.31), Count(CONCURRENT, COUNTERS[0], 0.0, 0.0))
    report = _report(_timing(1.2, 0.01), _timing(1.0, 0.01, clock="cpu"), counts=counts)
    report.missing["queue drain"] = "base has no QueueProcessor"
    report.notes.append("System calls were not counted: strace is not installed.")
    assert report.verdict() is Verdict.FAIL

    text = report.text()
    assert "verdict: FAIL" in text
    assert "not compared: base has no QueueProcessor" in text
    assert "strace is not installed" in text
    assert "tolerance 5 %" in text

    markdown = report.markdown()
    assert markdown.splitlines()[0] == COMMENT_MARKER
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 2 + 1 + 2
    assert {line.count("|") for line in table} == {7}
    wall = [cell.strip() for cell in table[2].split("|")]
    assert wall[2] == "100.0 us"
    assert float(wall[4]) == pytest.approx(1.2, abs=0.02)
    assert wall[6] == "FAIL"

    found = json.loads(report.json())
    assert found["verdict"] == "FAIL"
    assert [row["verdict"] for row in found["timings"]] == ["FAIL", "pass"]
    assert len(found["timings"][0]["log_ratios"]) == 20
    assert found["counts"][0]["head"] == 6.31


def test_a_counter_alone_fails_the_report() -> None:
    counts = (Count(SEQUENTIAL, COUNTERS[0], 1.0, 2.0),)
    assert _report(_timing(1.0, 0.01), counts=counts).verdict() is Verdict.FAIL


def test_a_noisy_report_is_inconclusive() -> None:
    assert _report(_timing(1.05, 0.08)).verdict() is Verdict.INCONCLUSIVE


# --- the proof


def test_the_burn_is_eight_percent_of_the_time_on_the_wall() -> None:
    wall, cpu = _timing(1.0, 0.0), _timing(1.0, 0.0, clock="cpu")
    wall.add([9.0], [9.0])  # a slow spell does not make the burn longer
    burns = gate_proof.burn_seconds([wall, cpu])
    assert burns == {"sequential": pytest.approx(8e-6 - gate_proof.WRAPPER)}


def test_the_injected_copy_is_python_and_says_what_it_burns(repository: Path) -> None:
    gate_proof.inject(repository, {"sequential": 3.2e-5})
    source = (repository / "pywats_green" / "__init__.py").read_text(encoding="utf-8")
    assert "{'sequential': 3.2e-05}" in source
    names: dict[str, object] = {}
    exec(compile(source, "injected", "exec"), names)  # noqa: S102  # disabled: it only defines
    assert callable(names["_burn_in_every_call"])


def test_the_injected_copy_really_takes_longer(
    repository: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (repository / "pywats_green" / "__init__.py").write_text("_disabled = False\n")
    gate_proof.inject(repository, {"sequential": 0.25})
    done = run_python(
        """
import sys, time
sys.path.insert(0, sys.argv[2])
import pywats_green
from pywats.domains.product.async_service import AsyncProductService
call = AsyncProductService.get_product(None, "PN")
start = time.perf_counter()
try:
    call.send(None)
except AttributeError:  # there is no service
    print(time.perf_counter() - start)
""",
        "sequential",
        str(repository),
    )
    assert 0.25 <= float(done.stdout) < 5.0, done.stderr


def test_the_block_replaces_the_one_before(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{gate_proof.BEGIN}\nold\n{gate_proof.END}\nafter\n")
    quiet, caught = _report(_timing(1.0, 0.01)), _report(_timing(1.08, 0.01))
    assert gate_proof.proven(quiet, caught)
    assert not gate_proof.proven(caught, quiet)
    gate_proof.write_block(gate_proof.block(quiet, caught, "command"), document)
    text = document.read_text()
    assert text.startswith(f"before\n{gate_proof.BEGIN}\n\nWritten by `command`")
    assert text.endswith(f"\n\n{gate_proof.END}\nafter\n")
    assert "old" not in text
    assert "(A/A): pass" in text
    assert "8 % slower: FAIL" in text


def test_a_document_without_markers_is_an_error(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("nothing\n")
    with pytest.raises(GateError, match="has no lines"):
        gate_proof.write_block("text", document)
    assert document.read_text() == "nothing\n"


def test_the_document_has_the_markers() -> None:
    text = gate_proof.DOCUMENT.read_text(encoding="utf-8")
    assert text.count(gate_proof.BEGIN) == text.count(gate_proof.END) == 1


# --- the workflow


def test_the_workflow_runs_the_gate_as_documented() -> None:
    yaml = pytest.importorskip("yaml")
    path = ROOT / ".github" / "workflows" / "performance.yml"
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    triggers = workflow[True]  # YAML takes "on" for a truth value
    assert {"pull_request", "schedule", "workflow_dispatch"} == set(triggers)
    assert workflow["permissions"] == {"contents": "read"}
    job = workflow["jobs"]["gate"]
    assert job["permissions"]["pull-requests"] == "write"
    steps = {step.get("id") or step.get("name") or step["uses"]: step for step in job["steps"]}
    compare = steps["compare"]
    assert "perf/gate.py" in compare["run"]
    assert "'pull_request' && '0.10' || inputs.tolerance || '0.05'" in compare["env"]["TOLERANCE"]
    for step in job["steps"]:
        # What comes from outside reaches a shell through its environment alone.
        assert "${{" not in step.get("run", "")
