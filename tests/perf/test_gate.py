"""The decisions of the regression gate, on a simulated machine whose true speed is known."""

import json
import random
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import gate.__main__ as command
import pytest
import yaml
from estimates import Estimate
from gate import comparison, proof
from gate.comparison import (
    CLOCKS,
    METRICS,
    ROUNDS,
    SIDES,
    Comparison,
    Metric,
    Plan,
    Timing,
    Verdict,
    compare,
    judge,
    overall,
)
from gate.report import COMMENT_MARKER, as_json, markdown, summary
from gate.revisions import GateError, Revision, check_out, contestant
from harness import Cell, Lap

from pywats_green.testing import WatsServer

ROOT = Path(__file__).resolve().parents[2]
BASE, HEAD = Revision("main (0123456789)", Path()), Revision("abcdef0123", Path())


class NoisyMachine:
    """A shared machine with slow phases: its speed drops to a third and back, plus noise.

    Args:
        seed: Of all chance.
        slowdown: HEAD's time / BASE's; a function of the metric, or one number for all.
        waits: HEAD's time on the wall / BASE's, beyond that.
        more_requests: What HEAD sends beyond BASE, in 100 calls.
    """

    def __init__(
        self, seed: int, slowdown: float, *, waits: float = 1.0, more_requests: int = 0
    ) -> None:
        self.chance, self.slowdown, self.waits = random.Random(seed), slowdown, waits
        self.more_requests, self.speed = more_requests, 1.0
        self.lacks: dict[str, str] = {}
        self.repetitions = 0

    def lap(self, side: str, metric: Metric, bias: float) -> Lap:
        if self.chance.random() < 0.03:
            self.speed = self.chance.choice([1.0, 1.0, 1.5, 3.0])
        factor = (self.slowdown if side == "head" else 1.0) * bias * self.speed
        cpu = metric.calls * 1e-4 * factor * self.chance.lognormvariate(0, 0.08)
        preempted = self.chance.expovariate(2.0) if self.chance.random() < 0.3 else 0.0
        wall = cpu * (1 + preempted) * (self.waits if side == "head" else 1.0)
        return Lap(metric.calls, wall, cpu, None)

    def repetition(
        self, found: Comparison, metrics: list[Metric], *_: object
    ) -> dict[Metric, Cell]:
        self.repetitions += 1
        cells = {}
        for metric in metrics:
            # Where a process lies in memory is an error of all its rounds.
            bias = {side: self.chance.lognormvariate(0, 0.02) for side in SIDES}
            cell = cells[metric] = Cell("gate", metric.text, {}, {side: [] for side in SIDES})
            if metric.name in self.lacks:
                cell.laps, cell.absent = {}, {"base": self.lacks[metric.name]}
                continue
            found.requests[metric.text] = (1.0, 1.0 + self.more_requests / 100)
            for number in range(ROUNDS):
                for side in SIDES[:: -1 if number % 2 else 1]:
                    cell.laps[side].append(self.lap(side, metric, bias[side]))
        return cells


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Comparison]:
    def measured(machine: NoisyMachine, plan: Plan | None = None) -> Comparison:
        monkeypatch.setattr(comparison, "repetition", machine.repetition)
        return compare(BASE, HEAD, plan or Plan(), None, Path(), lambda _: None)

    return measured


# --- the decision


@pytest.mark.parametrize("tolerance", [0.10, pytest.param(0.05, marks=pytest.mark.long)])
def test_it_is_quiet_for_equals_and_finds_what_is_slower(
    measured: Callable[..., Comparison], tolerance: float
) -> None:
    plan = Plan(tolerance)
    for seed in range(8):
        assert measured(NoisyMachine(seed, 1.0), plan).verdict() is not Verdict.FAIL
        assert measured(NoisyMachine(seed, 1 + 1.5 * tolerance), plan).verdict() is Verdict.FAIL
        assert measured(NoisyMachine(seed, 0.7), plan).verdict() is Verdict.PASS


@pytest.mark.long
def test_equals_pass_nearly_always(measured: Callable[..., Comparison]) -> None:
    verdicts = [measured(NoisyMachine(seed, 1.0)).verdict() for seed in range(20)]
    assert verdicts.count(Verdict.PASS) >= 19


def test_a_wait_is_found_by_the_clock_on_the_wall(measured: Callable[..., Comparison]) -> None:
    found = measured(NoisyMachine(1, 1.0, waits=1.3))
    by_clock = {clock: {found.verdict_of(t) for t in found.timings if t.clock == clock}
                for clock in CLOCKS}  # fmt: skip
    assert by_clock == {"CPU": {Verdict.PASS}, "wall": {Verdict.FAIL}}


def test_one_request_more_in_a_hundred_calls_fails(measured: Callable[..., Comparison]) -> None:
    assert measured(NoisyMachine(1, 1.0, more_requests=1)).verdict() is Verdict.FAIL


def test_what_is_decided_is_not_repeated_and_doubt_ends_at_the_cap(
    measured: Callable[..., Comparison],
) -> None:
    class Fickle(NoisyMachine):
        def repetition(self, *args: Any) -> dict[Metric, Cell]:
            self.slowdown = 1.3 if self.slowdown == 1.0 else 1.0
            return super().repetition(*args)

    plan = Plan(0.10, repetitions=6)
    quick, fickle = NoisyMachine(1, 2.0), Fickle(1, 1.0)
    assert measured(quick, plan).verdict() is Verdict.FAIL
    assert quick.repetitions == 6
    found = measured(fickle, plan)
    assert fickle.repetitions == 18
    assert found.verdict() is Verdict.INCONCLUSIVE


def test_what_one_side_lacks_is_not_compared(measured: Callable[..., Comparison]) -> None:
    machine = NoisyMachine(1, 1.0)
    machine.lacks["drain"] = "failed: MissingError: no QueueProcessor"
    found = measured(machine)
    assert found.verdict() is Verdict.PASS
    assert found.missing == {"queue drain, 20 at a time": "base has no QueueProcessor"}
    assert "not compared: base has no QueueProcessor" in markdown(found)


def test_a_side_that_fails_is_an_error(measured: Callable[..., Comparison]) -> None:
    machine = NoisyMachine(1, 1.0)
    machine.lacks["cached"] = "failed: it fell"
    with pytest.raises(GateError, match="from the cache: .*it fell"):
        measured(machine)


def test_the_limits_belong_to_the_tolerance() -> None:
    exactly = Estimate(1.05, 1.05, 1.05)
    assert judge(exactly, 0.05) is Verdict.PASS
    assert judge(exactly, 0.049) is Verdict.FAIL


def test_one_failure_fails_and_one_doubt_leaves_doubt() -> None:
    assert overall([Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]) is Verdict.FAIL
    assert overall([Verdict.PASS, Verdict.INCONCLUSIVE]) is Verdict.INCONCLUSIVE
    assert overall([Verdict.PASS, Verdict.NOT_COMPARED]) is Verdict.PASS
    assert overall([]) is Verdict.NOT_COMPARED


# --- revisions and directories


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "pywats_green").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "pywats_green" / "__init__.py").write_text("_disabled = True\n")
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "first"],
    ):
        subprocess.run(["git", "-C", str(root), *arguments], check=True)  # noqa: S607
    return root


def test_a_revision_is_checked_out_as_it_was_committed(repository: Path, tmp_path: Path) -> None:
    (repository / "pyproject.toml").write_text("changed since\n")
    name, tree = check_out("main", tmp_path / "tree", root=repository)
    assert name.startswith("main (")
    assert (tree / "pyproject.toml").read_text() == "[project]\n"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tar"] == []


def test_a_directory_is_copied_without_what_is_no_source(repository: Path, tmp_path: Path) -> None:
    for name in (".venv", "build", "x.egg-info"):
        (repository / name).mkdir()
    tree = check_out(str(repository), tmp_path / "tree", root=tmp_path).tree
    assert {path.name for path in tree.iterdir()} == {"pyproject.toml", "pywats_green"}


@pytest.mark.parametrize("name", ["no-such-revision", "--all", "HEAD:pyproject.toml"])
def test_what_is_neither_is_one_clear_error(repository: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(GateError, match="is neither a revision of .* nor a directory"):
        check_out(name, tmp_path / "tree", root=repository)


# --- the workload


def test_the_workload_plays_the_revision_that_it_is_given(
    server: WatsServer, tmp_path: Path
) -> None:
    """The slow copy records each iteration: a fixed number per call of each metric."""
    tree = check_out(str(ROOT), tmp_path / "tree").tree
    loops = {metric.name: number + 1 for number, metric in enumerate(METRICS)}
    proof.inject(tree, loops)
    package = tree / "pywats_green" / "__init__.py"
    text = package.read_text("utf-8").replace("import functools\n", "import functools, os\n")
    note = "open(os.path.join(os.environ['TMPDIR'], 'loops'), 'a').write('x')"
    package.write_text(text.replace(" pass\n", f" {note}\n"), "utf-8")
    burnt = tmp_path / "loops"
    burnt.touch()
    with contestant(Revision("slow", tree), server, tmp_path, seed=1) as slow:
        for metric in METRICS:
            slow.open(metric.name)
            before = burnt.stat().st_size
            slow.play(metric.name, 20)
            assert burnt.stat().st_size - before == 20 * loops[metric.name], metric


# --- the command line


def test_an_unknown_revision_ends_with_status_2_and_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["no-such-revision", "HEAD"]) == 2
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
        (["--prove", "a", "b"], "--prove takes one revision"),
        (["--prove", "--json", "x"], "alone"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("slowdown", "status"), [(1.0, 0), (1.3, 1)])
def test_a_run_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Path, slowdown: float, status: int
) -> None:
    monkeypatch.setattr(comparison, "repetition", NoisyMachine(1, slowdown).repetition)
    monkeypatch.setattr(command, "pinned_server", nullcontext)
    found, comment = tmp_path / "gate.json", tmp_path / "gate.md"
    arguments = [str(repository)] * 2 + ["--json", str(found), "--markdown", str(comment)]
    assert command.main(arguments) == status
    assert comment.read_text("utf-8").startswith(COMMENT_MARKER)
    assert json.loads(found.read_text("utf-8"))["verdict"] == ("pass" if status == 0 else "FAIL")


def test_every_verdict_has_its_status() -> None:
    assert set(command.EXIT) == set(Verdict)
    assert command.parse(["a", "b"]).tolerance == 0.10
    assert command.parse(["--prove"]).revisions == ["HEAD"]


# --- the report


def test_the_table(measured: Callable[..., Comparison]) -> None:
    found = measured(NoisyMachine(1, 1.2), Plan(0.05))
    table = [line for line in markdown(found).splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(METRICS) * len(CLOCKS) + len(METRICS)
    assert {line.count("|") for line in table} == {7}
    cells = [cell.strip() for cell in table[2].split("|")]
    assert cells[1] == "get_product, one after another: CPU time a call"
    assert float(cells[4]) == pytest.approx(1.2, abs=0.05)
    assert cells[6] == "FAIL"
    assert "Tolerance 5 %" in summary(found)[-1]
    timings = json.loads(as_json(found))["timings"]
    assert len(timings[0]["ratios"]) >= 12


# --- the proof


def test_the_burn_is_a_share_of_the_quickest_cpu_time() -> None:
    cpu, wall = (Timing(METRICS[0], clock) for clock in CLOCKS)
    cpu.base, cpu.head, wall.base, wall.head = [1e-4, 9.0], [2e-4, 9.0], [5e-5], [9.0]
    assert proof.burns([cpu, wall], 0.15, 1e7) == {"sequential": 150}


def test_the_proof_goes_between_the_markers(
    measured: Callable[..., Comparison], tmp_path: Path
) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{proof.BEGIN}\nold\n{proof.END}\nafter\n")
    quiet, caught = measured(NoisyMachine(1, 1.0)), measured(NoisyMachine(1, 1.15))
    assert proof.proven(quiet, caught)
    assert not proof.proven(caught, caught)
    assert not proof.proven(quiet, quiet)
    proof.write_block(quiet, caught, document)
    text = document.read_text()
    assert text.startswith(f"before\n{proof.BEGIN}\n\nWritten by `python perf/gate --prove`")
    assert text.endswith(f"\n\n{proof.END}\nafter\n")
    assert "old" not in text
    document.write_text("nothing\n")
    with pytest.raises(GateError, match="has no lines"):
        proof.write_block(quiet, caught, document)
    assert document.read_text() == "nothing\n"


def test_the_document_has_the_markers() -> None:
    text = proof.DOCUMENT.read_text(encoding="utf-8")
    assert text.count(proof.BEGIN) == text.count(proof.END) == 1


# --- the workflow


def test_the_workflow_runs_the_gate_as_documented() -> None:
    path = ROOT / ".github" / "workflows" / "performance.yml"
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    triggers = workflow[True]  # YAML takes "on" for a truth value
    assert {"pull_request", "schedule", "workflow_dispatch"} == set(triggers)
    assert workflow["permissions"] == {"contents": "read"}
    job = workflow["jobs"]["gate"]
    assert job["permissions"]["pull-requests"] == "write"
    steps = {step.get("id") or step.get("name") or step["uses"]: step for step in job["steps"]}
    compare_step = steps["compare"]
    assert "perf/gate" in compare_step["run"]
    assert (
        "'pull_request' && '0.10' || inputs.tolerance || '0.05'"
        in (compare_step["env"]["TOLERANCE"])
    )
    for step in job["steps"]:
        # What comes from outside reaches a shell through its environment alone.
        assert "${{" not in step.get("run", "")
