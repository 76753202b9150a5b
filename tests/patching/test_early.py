"""What was made or imported before the patch goes on working, each in a process of its own."""

import sys
from importlib.util import find_spec

import pytest

from pywats_green.testing import WatsServer

UNUSED = """
from concurrent.futures import ThreadPoolExecutor, wait
executor = ThreadPoolExecutor(2)
import pywats_green
import gevent
with executor:
    jobs = [executor.submit(gevent.sleep, 0.01) for _ in range(4)]
    print(len(wait(jobs).done), executor.submit(lambda: "result").result())
"""

USED = """
from concurrent.futures import ThreadPoolExecutor, wait
import queue, threading
executor, go_on, busy = ThreadPoolExecutor(4), queue.SimpleQueue(), threading.Event()
executor.submit(int).result()
executor.submit(lambda: (busy.set(), go_on.get()))
busy.wait()
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import pywats_green
from gevent import monkey
ident = monkey.get_original("threading", "get_ident")
go_on.put(None)  # the old thread is idle then, and must not be counted
jobs = [executor.submit(ident) for _ in range(8)]
print({job.result() for job in jobs} == {ident()}, "ThreadPoolExecutor" in str(caught[0].message))
executor.shutdown()
"""


@pytest.mark.parametrize(
    ("source", "printed"), [(UNUSED, "4 result\n"), (USED, "True True\n")], ids=["unused", "used"]
)
def test_an_executor_made_before(run_python, source, printed) -> None:
    done = run_python(source)
    assert (done.stdout, done.returncode) == (printed, 0), done.stderr


def test_https_of_what_was_imported_before(run_python) -> None:
    """Without our help, requests ends in a RecursionError."""
    with WatsServer(tls=True) as server:
        assert server.ca_file is not None
        done = run_python(
            "import sys, ssl, urllib.request\n"
            "url, authority = sys.argv[1:]\n"
            "import requests, httpx\n"
            "session, context = requests.Session(), ssl.create_default_context(cafile=authority)\n"
            "import pywats_green\n"
            "url += '/api/App/Version'\n"
            "context.minimum_version = ssl.TLSVersion.TLSv1_2\n"
            "print(session.get(url, verify=authority).status_code,\n"
            "      httpx.get(url, verify=context).status_code)\n"
            "try:\n"
            "    urllib.request.urlopen(url, context=context)\n"
            "except urllib.error.HTTPError as exc:\n"
            "    print(exc.code)\n"
            "    exc.close()\n",
            server.url,
            server.ca_file,
            warnings="default",
        )
    assert done.stdout == "401 401\n401\n", done.stderr


INSIDE_A_LOOP = """
import asyncio, time

async def main():
    import pywats_green
    from pywats import AsyncWATS
    loop = asyncio.get_running_loop()
    print(await asyncio.wait_for(loop.run_in_executor(None, abs, -1), 60))
    first = asyncio.create_task(asyncio.sleep(0.01, "slept"))
    print(await first)

asyncio.run(main())
"""

MADE_BEFORE = """
import asyncio
loop = asyncio.SelectorEventLoop()
import pywats_green
print(loop.run_until_complete(asyncio.wait_for(loop.run_in_executor(None, abs, -1), 60)))
print(loop.run_until_complete(asyncio.sleep(0.01, "slept")))
loop.close()
"""

IN_A_THREAD = """
import asyncio, threading
loop = asyncio.SelectorEventLoop()
thread = threading.Thread(target=loop.run_forever)
thread.start()
import pywats_green
print(asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 1), loop).result(60))
print(asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01, "slept"), loop).result(60))
loop.call_soon_threadsafe(loop.stop)
thread.join()
loop.close()
"""

LOOPS = {"runs": INSIDE_A_LOOP, "made": MADE_BEFORE, "in a thread": IN_A_THREAD}


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_an_event_loop_from_before(run_python, source) -> None:
    if sys.platform == "win32" and source is INSIDE_A_LOOP:
        pytest.skip("refused there: the loop is no selector loop")
    done = run_python(source, warnings="default")
    assert (done.stdout, done.returncode) == ("1\nslept\n", 0), done.stderr


@pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
def test_a_running_loop_that_cannot_wait_for_greenlets_is_refused(run_python) -> None:
    done = run_python(
        "import asyncio, uvloop\n"
        "async def main():\n"
        "    import pywats_green\n"
        "try:\n"
        "    uvloop.run(main())\n"
        "except ImportError as exc:\n"
        "    print(type(exc).__name__, exc)\n"
        "from gevent import monkey\n"
        "print(monkey.is_module_patched('socket'))\n"
    )
    refusal, patched = done.stdout.splitlines()
    assert refusal.startswith("UnpatchableProcessError a running uvloop.Loop would never")
    assert patched == "False"


def test_a_worker_of_gthread_is_refused(run_python) -> None:
    """tests/works_with has the real one."""
    done = run_python(
        "__name__ = 'gunicorn.workers.gthread'\n"
        "try:\n"
        "    import pywats_green\n"
        "except ImportError as exc:\n"
        "    print(type(exc).__name__, exc)\n"
        "from gevent import monkey\n"
        "print(monkey.is_module_patched('socket'))\n"
    )
    refusal, patched = done.stdout.splitlines()
    assert refusal.startswith("UnpatchableProcessError gunicorn's gthread worker would hang")
    assert patched == "False"
