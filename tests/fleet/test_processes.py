"""Whether a process of this machine has ended, told by real processes."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from waiting import until

from pywats_green.fleet.processes import has_ended, identity

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody can tell")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


def test_a_killed_process_has_ended(process: subprocess.Popen[bytes]) -> None:
    told = identity(process.pid)
    assert not has_ended(told)
    process.kill()
    until(lambda: has_ended(told), "it to end")  # before anybody has waited for it
    process.wait()
    assert has_ended(told)


def test_another_process_of_the_same_pid_is_not_taken_for_it() -> None:
    told = identity(os.getpid())
    assert not has_ended(told)
    assert has_ended({**told, "start": "1"})


@pytest.mark.parametrize("lacking", ["machine", "start", "pid"])
def test_who_tells_too_little_lives(lacking: str) -> None:
    told = {**identity(os.getpid()), "start": "1"}
    del told[lacking]
    assert not has_ended(told)


def test_a_process_of_another_machine_lives() -> None:
    assert not has_ended({**identity(os.getpid()), "start": "1", "machine": "another"})
