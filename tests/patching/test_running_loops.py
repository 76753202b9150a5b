"""A running event loop for each greenlet: what works without pywats_green works with it."""

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from cases import libraries, loops, upstream, wrapping  # noqa: F401  # they register themselves
from cases.base import CASES, NEEDS
from platforms import PATIENCE

from pywats_green.patching import running_loops
from pywats_green.testing import WatsServer

PROGRAM = Path(__file__).with_name("cases")

Run = Callable[..., subprocess.CompletedProcess[str]]

# The others are long: each starts two interpreters.
QUICK = {"a_loop_that_is_not_set", "jobs_side_by_side"}
SERVED = {"a_loop_beside_blocking_calls", "clients_side_by_side"}

per_greenlet = pytest.mark.skipif(
    running_loops.missing() is not None, reason=f"no loops here: {running_loops.missing()}"
)


def printed(name: str, how: str, arguments: tuple[str, ...] = ()) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(PROGRAM), name, how, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@per_greenlet
@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in CASES],
)
def test_it_prints_the_same_as_without(name: str, server: WatsServer) -> None:
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"no {NEEDS[name]} here")
    arguments = (server.url, server.token) if name in SERVED else ()
    plain = printed(name, "plain", arguments)
    assert plain
    assert printed(name, "green", arguments) == plain


@per_greenlet
def test_it_costs_nothing_while_no_loop_runs(run_python: Run) -> None:
    done = run_python(
        "import pywats_green, asyncio, greenlet, gevent\n"
        "seen = [greenlet.gettrace()]\n"
        "async def main():\n    seen.append(greenlet.gettrace())\n"
        "asyncio.run(main())\n"
        "seen.append(greenlet.gettrace())\n"
        "print([trace is None for trace in seen])\n"
    )
    assert done.stdout == "[True, False, True]\n", done.stderr


TRACED = """
import pywats_green, asyncio, gevent, greenlet
from gevent.event import Event

def tracing():
    below, switches = greenlet.gettrace(), []
    def trace(event, args):
        switches.append(event)
        if below is not None and chained:
            below(event, args)
    greenlet.settrace(trace)
    return switches

async def waits(ready, go):
    ready.set()
    go.wait(60)  # blocks its greenlet, so others run
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    return asyncio.get_running_loop() is loop

def side_by_side():
    ready, go = Event(), Event()
    first = gevent.spawn(asyncio.run, waits(ready, go))
    ready.wait(60)
    second = gevent.spawn(asyncio.run, waits(Event(), go))
    gevent.sleep(0)
    go.set()
    return [first.get(60), second.get(60)]
"""


@per_greenlet
@pytest.mark.long
@pytest.mark.parametrize("first", [True, False])
def test_another_tracer_is_called_beside_ours(run_python: Run, first: bool) -> None:
    before, inside = ("switches = tracing()", "") if first else ("", "switches = tracing()")
    done = run_python(
        f"{TRACED}\nchained = True\n{before}\n"
        "async def main():\n"
        "    global switches\n"
        f"    {inside or 'pass'}\n"
        "    print(gevent.spawn(side_by_side).get(60), asyncio.get_running_loop() is not None)\n"
        "asyncio.run(main())\n"
        "print(side_by_side(), bool(switches), asyncio._get_running_loop())\n"
    )
    expected = "[True, True] True\n[True, True] True None\n"
    assert (done.stdout, done.stderr) == (expected, "")


@per_greenlet
@pytest.mark.long
def test_a_tracer_that_takes_our_place_costs_no_more_than_it_hides(run_python: Run) -> None:
    """The next loop to start puts ours back, and asks whose loop asyncio holds."""
    done = run_python(
        f"{TRACED}\nchained = False\n"
        "async def main():\n    tracing()\n    await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
        "print(side_by_side(), asyncio._get_running_loop())\n"
    )
    assert (done.stdout, done.stderr) == ("[True, True] None\n", "")


@per_greenlet
@pytest.mark.long
def test_a_killed_greenlet_leaves_nothing_behind(run_python: Run) -> None:
    done = run_python(
        "import pywats_green, asyncio, gevent, greenlet, sys\n"
        "from gevent.event import Event\n"
        "ready = Event()\n"
        "async def waits():\n    ready.set()\n    await asyncio.sleep(60)\n"
        "greenlets = [gevent.spawn(asyncio.run, waits()) for _ in range(3)]\n"
        "ready.wait(60)\n"
        "gevent.sleep(0)\n"
        "gevent.killall(greenlets)\n"
        "print(asyncio._get_running_loop(), greenlet.gettrace(), *sys.get_asyncgen_hooks())\n"
    )
    assert (done.stdout, done.stderr) == ("None None None None\n", "")


@per_greenlet
@pytest.mark.long
def test_a_native_thread_has_loops_of_its_own(run_python: Run) -> None:
    done = run_python(
        "import pywats_green, asyncio, gevent\n"
        "async def main(seconds):\n"
        "    loop = asyncio.get_running_loop()\n"
        "    await asyncio.sleep(seconds)\n"
        "    return asyncio.get_running_loop() is loop\n"
        "native = gevent.get_hub().threadpool.spawn(asyncio.run, main(0.01))\n"
        "print(asyncio.run(main(0.001)), native.get(timeout=60), asyncio._get_running_loop())\n"
    )
    assert (done.stdout, done.stderr) == ("True True None\n", "")


FAILING = """
import asyncio, greenlet
setter = asyncio.events._set_running_loop
{fault}
import pywats_green
from pywats_green.patching import running_loops
print(running_loops.missing(), asyncio.events._set_running_loop is setter)
async def main():
    return asyncio.get_running_loop() is not None
print(asyncio.run(main()), pywats_green.is_active())
"""


@per_greenlet
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("greenlet.settrace = lambda tracer: None", "a test of it failed here"),
        pytest.param(
            "del asyncio.events._c__set_running_loop",
            "asyncio is not built in C here",
            marks=pytest.mark.long,
        ),
    ],
)
def test_where_it_does_not_hold_nothing_is_replaced(run_python: Run, fault: str, why: str) -> None:
    done = run_python(FAILING.format(fault=fault))
    assert (done.stdout, done.stderr) == (f"{why} True\nTrue True\n", "")


@per_greenlet
@pytest.mark.long
def test_a_python_on_which_nobody_tried_it_is_left_alone(run_python: Run) -> None:
    done = run_python(
        "from pywats_green.patching import running_loops\n"
        "import asyncio\n"
        "setter = asyncio.events._set_running_loop\n"
        "running_loops.install((3, 14, 0))\n"
        "print(running_loops.missing(), asyncio.events._set_running_loop is setter)\n",
        env={"PYWATS_GREEN_DISABLE": "1"},
    )
    assert (done.stdout, done.stderr) == ("not tried on Python 3.14 True\n", "")


@per_greenlet
@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_kills_and_deadlines_leave_nothing_behind(seed: int) -> None:
    script = Path(__file__).with_name("kills.py")
    done = subprocess.run(
        [sys.executable, str(script), str(seed)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
