"""Debuggers and coverage, each on a program whose greenlets switch."""

import subprocess
import sys
from pathlib import Path

import pytest
from processes import TIMEOUT, environment, needs, run, write

PROGRAMS = Path(__file__).parent / "programs"

PROGRAM = """
    import pywats_green
    import gevent

    def job(number):
        gevent.sleep(0.001)
        value = number + 1
        return value

    jobs = [gevent.spawn(job, number) for number in range(2)]
    gevent.joinall(jobs)
    print(*sorted(job.value for job in jobs))
"""
LINE = 6  # value = ...; the first one is cut off


@pytest.fixture
def program(tmp_path):
    return write(tmp_path / "program.py", PROGRAM.lstrip("\n"))


@needs("coverage")
@pytest.mark.parametrize("start", ["python", "run"])
def test_coverage_with_concurrency(tmp_path, program, start):
    measure = (
        "-m",
        "coverage",
        "run",
        "--concurrency=gevent",
        "--include=program.py",
        "program.py",
    )
    words = measure if start == "python" else ("-m", "pywats_green", "run", *measure)
    done = run(*words, cwd=tmp_path)
    assert done.stdout == "1 2\n", done.stderr
    report = run("-m", "coverage", "report", "--include=program.py", cwd=tmp_path)
    assert report.stdout.splitlines()[-1].split()[-1] == "100%", report.stdout


def test_pdb(tmp_path, program):
    commands = [f"break {LINE}", *("continue", "p number") * 2, "clear 1", "continue", "quit"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pdb", str(program)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=tmp_path, env=environment(),
    )  # fmt: skip
    out, err = process.communicate("\n".join(commands) + "\n", timeout=TIMEOUT)
    assert [line for line in out.splitlines() if line in {"(Pdb) 0", "(Pdb) 1"}] == [
        "(Pdb) 0",
        "(Pdb) 1",
    ], out + err
    assert "1 2\n" in out


@pytest.mark.long
@needs("debugpy")
def test_debugpy_with_gevent_support(tmp_path, program):
    done = run(
        *(str(PROGRAMS / "debug_client.py"), str(program), str(LINE), "number", "2"),
        cwd=tmp_path,
        GEVENT_SUPPORT="True",
    )
    assert done.stdout == f"{LINE} 0\n{LINE} 1\n1 2\n", done.stderr
