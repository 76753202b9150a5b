"""The processes that the gate talks to: line for line, and on a core of their own."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gate_environments import Environment, GateError

if TYPE_CHECKING:
    from typing_extensions import Self

HERE = Path(__file__).parent
ANSWER_TIMEOUT = 120.0
STOP_TIMEOUT = 10.0
SERVER_CORE, WORKER_CORE = 1, 0


class Child:
    """A process that answers each line with a line of JSON.

    Args:
        command: The command line.
        core: The core it runs on, as a position among those allowed to us; None: any, until it is
            pinned. Where there is one core only, or the system cannot say, it runs where it likes.
        seed: Python's hash seed: the same for the two sides of a pair, so that it is no
            difference between them.

    Raises:
        GateError: It ended, or did not answer in time.
    """

    def __init__(self, command: Sequence[str], *, core: int | None, seed: int = 0) -> None:
        self._command = command
        # Neither the tree in which the gate stands nor the user's settings belong to a revision.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PYWATS"))
        }
        environment["PYTHONHASHSEED"] = str(seed)
        with _on_core(core):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._process
        try:
            process.communicate(timeout=STOP_TIMEOUT)  # its input ends, and so does it
        except (subprocess.TimeoutExpired, ValueError):
            process.kill()
            process.wait()

    def pin(self, core: int) -> None:
        """From now on it runs on that core: it may start up on any, which is quicker."""
        if (allowed := _only(core)) is not None:
            os.sched_setaffinity(self._process.pid, allowed)

    def ask(self, line: str) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        stdin = self._process.stdin
        try:
            stdin.write(f"{line}\n")  # type: ignore[union-attr]
            stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            pass  # the answer, which does not come, says it
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for the next line."""
        watchdog = threading.Timer(ANSWER_TIMEOUT, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()  # type: ignore[union-attr]
        finally:
            watchdog.cancel()
        if not line:
            raise GateError(
                f"{' '.join(self._command)} ended with status {self._process.wait(STOP_TIMEOUT)}; "
                "its error stands on stderr"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


class Server(Child):
    """The embedded server of one environment, for all workers."""

    def __init__(self, environment: Environment) -> None:
        super().__init__([str(environment.python), str(HERE / "gate_server.py")], core=SERVER_CORE)
        place = self.answer()
        self.url, self.token = str(place["url"]), str(place["token"])

    def set_latency(self, seconds: float) -> None:
        self.ask(f"latency {seconds}")

    def requests(self) -> int:
        """How many requests came so far."""
        return int(self.ask("requests")["requests"])


def worker(
    environment: Environment,
    metric: str,
    server: Server,
    folder: Path,
    *,
    seed: int = 0,
    tracer: Sequence[str] = (),
) -> Child:
    """Start an environment at work on one metric; its first answer says whether it can.

    It may use any core until it is pinned. Under a tracer, whose child it is then, it has its core
    from the start.

    Args:
        environment: The installed revision.
        metric: A name of `gate_workload.METRICS`.
        server: What it calls.
        folder: An empty directory for its files; it is made.
        seed: Python's hash seed.
        tracer: The command line of a tracer to run it under.
    """
    folder.mkdir(parents=True)
    script = str(HERE / "gate_workload.py")
    return Child(
        [*tracer, str(environment.python), script, metric, server.url, server.token, str(folder)],
        core=WORKER_CORE if tracer else None,
        seed=seed,
    )


def _only(number: int | None) -> set[int] | None:
    """That core among those allowed to us; None where there is no choice."""
    if number is None or not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[number]} if len(allowed) > 1 else None


@contextmanager
def _on_core(number: int | None) -> Iterator[None]:
    """Processes started meanwhile inherit the core: server and worker do not push each other."""
    core = _only(number)
    if core is None:
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
