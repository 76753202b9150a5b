"""Processes and what they share, as a green program uses them: `primitives.py METHOD`."""

import os

if __name__ == "__main__" or "GREEN_CHILDREN" in os.environ:
    import pywats_green  # noqa: F401

import multiprocessing
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Client, Listener, wait
from queue import Empty

import gevent

MEGABYTE = 1 << 20


def echo(connection):
    for data in iter(connection.recv, "end"):
        connection.send(data)


def move(source, target):
    for item in iter(source.get, None):
        target.put(item)
    target.put(None)


def answer(queue, results):
    for item in iter(queue.get, None):
        results.append(item)
        queue.task_done()
    queue.task_done()


def count(lock, value, times):
    for _ in range(times):
        with lock:
            before = value.value
            time.sleep(0)
            value.value = before + 1


def signal_and_wait(here, go_on):
    here.set()
    go_on.wait()
    os._exit(5)


def wait_at(condition, here):
    with condition:
        here.release()
        condition.wait()
        here.release()


def call_home(address, key):
    with Client(address, authkey=key) as client:
        client.send(("hello", bytes(MEGABYTE)))


def sleep_long():
    time.sleep(300)


def square(number):
    return number * number


def pipes(context):
    ours, theirs = context.Pipe()
    child = context.Process(target=echo, args=(theirs,))
    child.start()
    theirs.close()
    for data in ("text", bytes(3 * MEGABYTE), None, [1, 2]):
        ours.send(data)
        assert ours.recv() == data
    assert not ours.poll(0)
    ours.send("end")
    child.join()
    assert child.exitcode == 0
    assert isinstance(_error(ours.recv), (EOFError, ConnectionResetError))
    reader, writer = context.Pipe(duplex=False)
    # More than a pipe holds, from a greenlet: the other end is read by another one.
    sender = gevent.spawn(writer.send_bytes, bytes(MEGABYTE))
    assert len(reader.recv_bytes()) == MEGABYTE
    sender.get()


def queues(context):
    source, target = context.Queue(3), context.SimpleQueue()
    child = context.Process(target=move, args=(source, target))
    child.start()
    items = [0, "one", bytes(MEGABYTE), *range(50)]
    feeder = gevent.spawn(lambda: [source.put(item) for item in [*items, None]])
    assert list(iter(target.get, None)) == items
    feeder.get()
    child.join()
    assert source.empty()
    assert isinstance(_error(lambda: source.get(timeout=0.01)), Empty)
    source.close()
    source.join_thread()


def managers(context):
    with context.Manager() as manager:
        results, lock, values = manager.list(), manager.Lock(), manager.dict()
        tasks = context.JoinableQueue()
        child = context.Process(target=answer, args=(tasks, results))
        child.start()
        for item in (1, 2, None):
            tasks.put(item)
        tasks.join()
        child.join()
        assert list(results) == [1, 2]
        with lock:
            values["key"] = bytes(MEGABYTE)
        jobs = [gevent.spawn(values.__setitem__, n, n) for n in range(10)]
        gevent.joinall(jobs, raise_error=True)
        assert len(values["key"]) == MEGABYTE
        assert len(values) == 11


def locks(context):
    value = context.Value("i", 0, lock=False)
    for lock in (context.Lock(), context.RLock(), context.BoundedSemaphore(1)):
        value.value = 0
        children = [context.Process(target=count, args=(lock, value, 50)) for _ in range(2)]
        for child in children:
            child.start()
        greenlets = [gevent.spawn(count, lock, value, 50) for _ in range(2)]
        gevent.joinall(greenlets, raise_error=True)
        for child in children:
            child.join()
        assert value.value == 200, (lock, value.value)


def owners(context):
    lock = context.RLock()
    with lock, lock:
        assert gevent.spawn(lock.acquire, False).get() is False
        assert gevent.spawn(lock.acquire, timeout=0.01).get() is False
        error = gevent.spawn(lambda: _error(lock.release)).get()
        assert isinstance(error, AssertionError), error
        waiting = gevent.spawn(lock.acquire)
        gevent.sleep(0)
        killed = gevent.spawn(lock.acquire)
        gevent.sleep(0)
        killed.kill()
    assert waiting.get() is True  # and keeps it: the greenlet is dead
    assert lock.acquire(False) is False
    semaphore = context.Semaphore(0)
    killed = gevent.spawn(semaphore.acquire)
    gevent.sleep(0)
    killed.kill()
    semaphore.release()
    assert semaphore.acquire(timeout=0) is True
    assert semaphore.acquire(timeout=-1) is False
    assert isinstance(_error(context.BoundedSemaphore(1).release), ValueError)
    assert isinstance(_error(context.Lock().release), ValueError)


def _error(call):
    try:
        call()
    except Exception as exc:
        return exc


def conditions(context):
    here, go_on = context.Event(), context.Event()
    child = context.Process(target=signal_and_wait, args=(here, go_on))
    child.start()
    here.wait()
    assert child.is_alive()
    gevent.spawn(go_on.set)
    child.join()
    assert child.exitcode == 5
    condition, count_here = context.Condition(), context.Semaphore(0)
    child = context.Process(target=wait_at, args=(condition, count_here))
    child.start()
    waiting = gevent.spawn(wait_at, condition, count_here)
    for _ in range(2):
        count_here.acquire()
    with condition:
        condition.notify_all()
    waiting.get()
    child.join()
    barrier = context.Barrier(2)
    other = context.Process(target=barrier.wait)
    other.start()
    barrier.wait()
    other.join()


def ends(context):
    children = [context.Process(target=sleep_long) for _ in range(2)]
    for child in children:
        child.start()
    assert wait([children[0].sentinel], 0) == []
    joins = [gevent.spawn(child.join) for child in children]
    children[0].terminate()
    children[1].kill()
    gevent.joinall(joins, raise_error=True)
    codes = [child.exitcode for child in children]
    if os.name == "posix":
        assert codes == [-signal.SIGTERM, -signal.SIGKILL]
    assert wait([child.sentinel for child in children]) != []
    child = context.Process(target=square, args=(bytes(MEGABYTE),))  # a large argument, an error
    sys.stderr.flush()
    child.start()
    child.join(60)
    assert child.exitcode == 1


def listeners(context):
    with Listener(authkey=b"key") as listener:
        child = context.Process(target=call_home, args=(listener.address, b"key"))
        child.start()
        with listener.accept() as connection:
            text, data = connection.recv()
        assert (text, len(data)) == ("hello", MEGABYTE)
        child.join()


def executors(context):
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(square, range(5))) == [0, 1, 4, 9, 16]


def main(method):
    context = multiprocessing.get_context(method)
    parts = (
        pipes, queues, managers, locks, owners, conditions, ends, listeners, executors,
    )  # fmt: skip
    for part in parts:
        gevent.spawn(part, context).get()  # processes are started from inside a greenlet
        print(part.__name__, flush=True)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
