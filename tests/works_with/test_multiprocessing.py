"""multiprocessing in a green process, with children that are green and children that are not."""

import multiprocessing
import os
from pathlib import Path

import pytest
from processes import TIMEOUT, run

PROGRAMS = Path(__file__).parent / "programs"

# A fork is always green. A green child of the others imports pywats, which takes its time.
KINDS = [("fork", {}), ("spawn", {}), ("forkserver", {})]
GREEN_KINDS = [("spawn", {"GREEN_CHILDREN": "1"}), ("forkserver", {"GREEN_CHILDREN": "1"})]


def kinds():
    there = multiprocessing.get_all_start_methods()
    for marks, some in (((), KINDS), ((pytest.mark.long,), GREEN_KINDS)):
        for method, env in some:
            if method in there:
                yield pytest.param(method, env, marks=marks, id="-".join([method, *env]))


@pytest.mark.timeout(4 * TIMEOUT)
@pytest.mark.parametrize("program", ["pool.py", "primitives.py"])
@pytest.mark.parametrize(("method", "env"), list(kinds()))
def test_a_program(tmp_path, program, method, env):
    done = run(str(PROGRAMS / program), method, cwd=tmp_path, timeout=4 * TIMEOUT, **env)
    assert done.stdout.endswith("done\n"), done.stderr
    assert done.returncode == 0, done.stderr


ALONE = """
    import pywats_green
    import multiprocessing, os, gevent

    def report(queue):
        gevent.sleep(0.02)  # lets others run, if there are any
        queue.put(os.getpid())

    def tick():
        try:
            while True:
                gevent.sleep(0.001)
                turns.add(os.getpid())
                if os.getpid() != parent:
                    os.write(1, b"runs in the child\\n")
        finally:
            os.write(1, b"ends in %s\\n" % (b"parent" if os.getpid() == parent else b"child"))

    parent, turns = os.getpid(), set()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    ticking = gevent.spawn(tick)
    gevent.sleep(0.005)
    child = context.Process(target=report, args=(queue,))
    starting = gevent.spawn(child.start)  # in the child, the main greenlet does not go on either
    starting.get()
    assert queue.get() == child.pid
    child.join()
    assert (child.exitcode, turns) == (0, {parent})
    ticking.kill()
    print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_greenlets_of_the_parent_do_not_run_in_a_fork(script):
    done = script(ALONE)
    assert done.stdout == "ends in parent\ndone\n", done.stderr
    assert done.returncode == 0


def test_a_connection_closed_by_another_greenlet_ends_the_wait(script):
    done = script("""
        import pywats_green
        import multiprocessing, gevent
        ours, theirs = multiprocessing.Pipe()
        waiting = gevent.spawn(ours.recv)
        gevent.sleep(0)
        ours.close()
        try:
            waiting.get(timeout=60)
        except OSError as exc:
            print(exc)
    """)
    assert done.stdout == "handle is closed\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_does_not_keep_the_death_of_another_one_secret(script):
    """gevent closes descriptors late, so that it would inherit the pipe of the other one."""
    done = script("""
        import pywats_green
        import multiprocessing, time
        from multiprocessing.connection import wait
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=time.sleep, args=(300,)) for _ in range(2)]
        for child in children:
            child.start()
        children[0].kill()
        print(len(wait([children[0].sentinel], 60)))
        children[1].kill()
    """)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.skipif(os.name != "posix", reason="about descriptors")
@pytest.mark.parametrize("way", ["pipes._NOWAIT", "None"], ids=["new", "old"])
def test_a_large_write_lets_the_reader_run(script, way):
    """In the old way as well, as with older kernels and on macOS."""
    done = script(f"""
        import pywats_green
        import multiprocessing, gevent
        from pywats_green.patching.processes import pipes
        pipes._NOWAIT = {way}
        for duplex in (True, False):
            reader, writer = multiprocessing.Pipe(duplex)
            data = bytes(range(256)) * 8000
            sending = gevent.spawn(writer.send_bytes, data)
            print(reader.recv_bytes() == data)
            sending.get()
    """)
    assert done.stdout == "True\nTrue\n", done.stderr


def test_what_was_imported_before_is_changed_too(script):
    done = script(
        """
        import multiprocessing.connection, multiprocessing.pool, multiprocessing.queues
        import pywats_green
        import gevent, os
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                job = gevent.spawn(pool.apply, os.getpid)
                print(job.get() != os.getpid())
        """
    )
    assert done.stdout == "True\n", done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs cat")
def test_a_closed_descriptor_is_closed_though_nothing_else_happens(script):
    done = script("""
        import pywats_green
        import os, subprocess
        reader, writer = os.pipe()
        child = subprocess.Popen(["cat"], stdin=reader)
        os.close(reader)
        os.close(writer)
        print(child.wait())
        try:
            os.close(writer)
        except OSError as exc:
            print(exc.strerror)
    """)
    assert done.stdout == "0\nBad file descriptor\n", done.stderr


def test_nobody_pays_who_never_uses_it(script):
    done = script("""
        import pywats_green
        import pywats, sys
        print(sorted(name for name in sys.modules if name.startswith("multiprocessing")))
        import importlib.util
        importlib.util.find_spec("multiprocessing")  # who only looks does not count
        import multiprocessing
        print(multiprocessing.connection.Connection._recv.__module__)
        from pywats_green.patching.after_import import _FINDER
        print("multiprocessing" in _FINDER.waiting, sys.meta_path.count(_FINDER))
    """)
    first, module, waiting = done.stdout.splitlines()
    assert first == "[]"
    assert module.startswith("pywats_green.") or os.name != "posix"
    assert waiting == "False 1"


def test_what_geventmp_has_done_is_left_alone(script):
    """As it replaces the class, when `patch_all` is called."""
    done = script("""
        import multiprocessing.connection as connection
        kind = type("Connection", (connection._ConnectionBase,), {"__module__": "geventmp._mp"})
        connection.Connection = kind
        import pywats_green
        print("_recv" in vars(kind))
    """)
    assert done.stdout == "False\n", done.stderr
