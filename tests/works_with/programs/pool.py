"""multiprocessing.Pool as a green program uses it: `pool.py METHOD`."""

import os

if __name__ == "__main__" or "GREEN_CHILDREN" in os.environ:
    import pywats_green  # noqa: F401

import multiprocessing
import sys
import time
from pathlib import Path

import gevent

MEGABYTE = 1 << 20


def square(number):
    return number * number


def megabyte(number):
    return bytes([number % 256]) * MEGABYTE


def fail(text):
    raise ValueError(text)


def end_process(_item):
    os._exit(3)


def wait_for(name):
    """Until the parent's greenlet has made the file."""
    while not Path(name).exists():
        time.sleep(0.005)
    return name


def run(*command):
    import subprocess

    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def initialise(value):
    os.environ["INITIAL"] = value


def get_initial(_item):
    return os.environ["INITIAL"]


def error_of(call, *args):
    try:
        call(*args)
    except Exception as exc:
        return exc


def main(method):
    context = multiprocessing.get_context(method)
    with context.Pool(2, initialise, ("set",)) as pool:
        assert pool.map(square, range(10)) == [n * n for n in range(10)]
        assert pool.map_async(square, [3]).get(60) == [9]
        assert pool.apply(get_initial, (0,)) == "set"
        assert list(pool.imap(square, range(5))) == [0, 1, 4, 9, 16]
        assert pool.starmap(pow, [(2, 3), (3, 2)]) == [8, 9]
        sizes = [len(data) for data in pool.imap_unordered(megabyte, range(200))]
        assert sizes == [MEGABYTE] * 200
        assert pool.map(len, [bytes(MEGABYTE)] * 4) == [MEGABYTE] * 4
        assert str(error_of(pool.apply, fail, ("as said",))) == "as said"
        # In a child, too, where gevent's hub was replaced, programs can be started.
        assert pool.apply(run, (sys.executable, "-S", "-c", "print(1)")).strip() == "1"

        # The child only goes on when a greenlet of this process has run.
        name = str(Path(f"released-{method}").absolute())
        gevent.spawn(Path(name).touch)
        assert pool.apply(wait_for, (name,)) == name
        jobs = [gevent.spawn(pool.apply, square, (n,)) for n in range(20)]
        assert [job.get() for job in jobs] == [n * n for n in range(20)]

        lost = pool.apply_async(end_process, (0,))
        pids = {process.pid for process in pool._pool}
        while pids == {process.pid for process in pool._pool}:
            time.sleep(0.01)
        assert pool.map(square, range(10)) == [n * n for n in range(10)]
        assert not lost.ready()  # as without us: nobody knows who had it
    pool.join()

    pool = context.Pool(2, maxtasksperchild=1)
    assert pool.map(square, range(4), chunksize=1) == [0, 1, 4, 9]
    pool.close()
    pool.join()

    pool = context.Pool(2)
    pool.map_async(wait_for, ["never"] * 8)
    pool.terminate()
    pool.join()
    assert all(process.exitcode is not None for process in pool._pool)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
