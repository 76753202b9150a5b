"""Libraries that gevent's patch breaks, and what becomes of them here."""

import sys

import pytest
from processes import needs

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


@needs("trio")
@pytest.mark.skipif(sys.platform != "linux", reason="about epoll")
@pytest.mark.parametrize("order", ["after", "before"])
def test_httpcore_can_be_imported_where_trio_is_installed(script, order):
    lines = ["import pywats_green", "import trio"][:: 1 if order == "after" else -1]
    done = script(
        "\n".join([
            "import warnings",
            "warnings.simplefilter('ignore')",
            *lines,
            "import httpcore, select",
            "print(hasattr(select, 'epoll'))",
            "try:",
            "    trio.run(trio.sleep, 0)",
            "except pywats_green.exceptions.PywatsGreenError as exc:",
            "    print(exc)",
        ])
    )  # fmt: skip
    patched, refusal = done.stdout.splitlines()
    assert patched == "False"
    assert refusal.startswith("trio cannot run in a process that gevent has patched")
