"""multiprocessing in a green process, with children that are green and children that are not."""

import multiprocessing
import os
from pathlib import Path

import pytest
from processes import TIMEOUT, run, write

PROGRAMS = Path(__file__).parent / "programs"

# A fork is always green. A green child of the others imports pywats, which takes its time.
KINDS: list[tuple[str, dict[str, str]]] = [("fork", {}), ("spawn", {}), ("forkserver", {})]
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
    while not turns:
        gevent.sleep(0.001)
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
        except (EOFError, OSError) as exc:
            print(repr(exc))
    """)
    told = "EOFError()" if os.name == "nt" else "OSError('handle is closed')"
    assert done.stdout == f"{told}\n", done.stderr


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


CALLS_UNDER_WAY = """
    import pywats_green
    import multiprocessing, sys, gevent
    from pywats import pyWATS
    from pywats.core.throttle import configure_throttling
    from pywats_green.testing import WatsServer

    numbers = ["PN-00001", "PN-00002"]

    def ask(api):
        return [gevent.spawn(api.product.get_product, number) for number in numbers]

    def child(api, queue):
        queue.put([greenlet.get().part_number for greenlet in ask(api)])

    in_flight = int(sys.argv[1])
    configure_throttling(max_requests=in_flight, window_seconds=1)
    context = multiprocessing.get_context("fork")
    with WatsServer() as server:
        server.fail("GET /api/Product", mode="hang", times=in_flight)
        api = pyWATS(base_url=server.url, token=server.token)
        queue = context.SimpleQueue()
        asked = ask(api)
        while server.stats()["in_flight"] < in_flight:
            gevent.sleep(0.01)
        process = context.Process(target=child, args=(api, queue))
        process.start()
        print(queue.get())
        process.join()
        gevent.killall(asked)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("in_flight", ["2", "1"], ids=["all in flight", "one waits for a slot"])
def test_a_client_goes_on_in_a_fork_while_the_parent_waits(script, in_flight):
    """It waits neither for the parent's loads and slots, nor with the timers of its hub."""
    done = script(CALLS_UNDER_WAY, in_flight)
    assert done.stdout == "['PN-00001', 'PN-00002']\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_call_in_a_fork_has_a_deadline_of_its_own(script):
    """The one of the parent's calls had a timer of the hub that the fork has left behind."""
    done = script("""
        import pywats_green
        import multiprocessing
        from pywats import pyWATS
        from pywats_green.testing import WatsServer

        def child(api, queue):
            queue.put(api.product.get_product("PN-00002").part_number)

        context = multiprocessing.get_context("fork")
        with WatsServer() as server:
            api = pyWATS(base_url=server.url, token=server.token)
            api.product.get_product("PN-00001")
            queue = context.SimpleQueue()
            process = context.Process(target=child, args=(api, queue))
            process.start()
            process.join()
            print(process.exitcode or queue.get())
    """)
    assert done.stdout == "PN-00002\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_who_only_asks_whether_a_child_is_alive_sees_its_end(script):
    """As ProcessPoolExecutor does when a worker was killed: nothing else gives the hub a turn."""
    done = script("""
        import pywats_green
        import multiprocessing, os
        child = multiprocessing.get_context("fork").Process(target=os._exit, args=(3,))
        child.start()
        while child.is_alive():
            pass
        print(child.exitcode)
    """)
    assert done.stdout == "3\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_pool_that_nobody_closes_ends_with_the_program_and_says_nothing(tmp_path):
    source = """
        import pywats_green
        import multiprocessing
        pool = multiprocessing.get_context("fork").Pool(1)
        print(pool.apply(int, ("9",)))
    """
    done = run(str(write(tmp_path / "script.py", source)), cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("9\n", "", 0)


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
