"""Libraries that gevent's patch breaks, and what becomes of them here."""

import sys
from textwrap import dedent

import pytest
from processes import needs, write

WATCH = """
    import pywats_green
    import threading
    from pathlib import Path
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer
    from watchdog.observers.polling import PollingObserver

    class Handler(FileSystemEventHandler):
        def on_created(self, event):
            told.set()

    for kind in (Observer, PollingObserver):
        told, folder = threading.Event(), Path(kind.__name__)
        folder.mkdir()
        observer = kind()
        observer.schedule(Handler(), str(folder))
        observer.start()
        for number in range(60):  # what is there before it looks for the first time is not new
            (folder / str(number)).touch()
            if told.wait(1):
                break
        observer.stop()
        observer.join()
        print(told.is_set(), observer.is_alive())
"""


@needs("watchdog")
def test_watchdog(script):
    done = script(WATCH)
    assert done.stdout == "True False\n" * 2, done.stderr


@needs("watchdog")
def test_the_queue_of_watchdog_can_go_once_gevents_is_enough(script):
    """Fails when gevent's queue has what watchdog needs: then take the shim away."""
    done = script("""
        import pywats_green
        import queue
        from watchdog.utils.bricks import SkipRepeatsQueue
        from gevent import monkey
        print(queue.Queue().maxsize, hasattr(queue.Queue(), "mutex"))
        print(SkipRepeatsQueue.__mro__[1] is monkey.get_original("queue", "Queue"))
        print(queue.Queue.__module__)
    """)
    assert done.stdout == "None False\nTrue\ngevent._gevent_cqueue\n", done.stderr


is_linux = pytest.mark.skipif(sys.platform != "linux", reason="about epoll")

STUB = """
    import select

    epoll: select.epoll  # read when it is imported, as trio does
    Poller = lambda: select.epoll()
"""
TRY_TO_RUN = """
    try:
        {}
    except pywats_green.exceptions.PywatsGreenError as exc:
        print(exc)
    import select
    print(hasattr(select, "epoll"))
"""
REFUSAL = "trio cannot run in a process that gevent has patched"


@is_linux
def test_what_trio_reads_is_there_while_it_is_imported(script, tmp_path):
    for name in ("__init__.py", "_core/__init__.py"):
        write(tmp_path / "trio" / name, "")
    write(tmp_path / "trio" / "_core" / "_io_epoll.py", STUB)
    done = script(
        "import pywats_green\nfrom trio._core._io_epoll import Poller\n"
        + dedent(TRY_TO_RUN).format("Poller()")
    )
    assert done.stdout.startswith(REFUSAL), done.stderr
    assert done.stdout.endswith("\nFalse\n")


@needs("trio")
@is_linux
@pytest.mark.parametrize("order", ["after", "before"])
def test_httpcore_can_be_imported_where_trio_is_installed(script, order):
    lines = ["import pywats_green", "import trio"][:: 1 if order == "after" else -1]
    start = "\n".join(["import warnings", "warnings.simplefilter('ignore')", *lines])
    done = script(
        start + "\nimport httpcore\n" + dedent(TRY_TO_RUN).format("trio.run(trio.sleep, 0)")
    )
    assert done.stdout.startswith(REFUSAL), done.stderr
    assert done.stdout.endswith("\nFalse\n")
