"""Programs that run loops side by side."""

# ruff: noqa: T201, ASYNC222, ASYNC251  # what programs do, good or bad

import sys
from typing import Any

from cases.base import Meeting, case, everything, late_case, needs, side_by_side, start


@case
def jobs_side_by_side() -> None:
    import asyncio

    meeting = Meeting()

    async def job(number: int) -> str:
        await meeting.wait()
        return await everything(number)

    print(side_by_side(lambda number: asyncio.run(job(number))))
    print(asyncio.run(everything(99)))


@case
def a_loop_that_is_not_set() -> None:
    import asyncio

    loop = asyncio.new_event_loop()

    async def main() -> None:
        async def nothing() -> None: ...

        print(asyncio.get_running_loop() is loop, asyncio.get_event_loop() is loop)
        print(asyncio.Future().get_loop() is loop)
        print(asyncio.ensure_future(nothing()).get_loop() is loop)
        print(asyncio.create_task(nothing()).get_loop() is loop)
        print(asyncio.gather(nothing()).get_loop() is loop)
        print(await everything(1))

    loop.run_until_complete(main())
    loop.close()

    meeting = Meeting(3)

    async def job() -> str:
        await meeting.wait()
        return await everything(2)

    def run(_: int) -> str:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(job())
        finally:
            loop.close()

    print(side_by_side(run, 3))


@late_case
def names_bound_earlier() -> None:
    from asyncio import Future, current_task, gather, get_running_loop, run, sleep
    from asyncio.events import _get_running_loop

    start()
    meeting = Meeting(3)

    async def job() -> list[bool]:
        await meeting.wait()
        await gather(sleep(0.001), sleep(0.002))
        loop = get_running_loop()
        return [
            _get_running_loop() is loop,
            Future().get_loop() is loop,
            current_task() in __import__("asyncio").all_tasks(loop),
        ]

    print(side_by_side(lambda _: run(job()), 3))
    try:
        get_running_loop()
    except RuntimeError as exc:
        print(exc)


@case
def callers_in_c() -> None:
    import _asyncio
    import asyncio

    meeting = Meeting(3)

    async def job(_: int) -> list[bool]:
        await meeting.wait()
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.001)
        return [
            _asyncio.get_running_loop() is loop,
            _asyncio._get_running_loop() is loop,
            _asyncio.Future().get_loop() is loop,
        ]

    print(side_by_side(lambda number: asyncio.run(job(number)), 3))
    print(_asyncio._get_running_loop())


@late_case
def an_import_while_a_loop_runs() -> None:
    import asyncio
    import warnings

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start()
        print(asyncio.get_running_loop() is loop, asyncio.Future().get_loop() is loop)
        await asyncio.gather(asyncio.sleep(0.001), asyncio.sleep(0.002))
        print(asyncio.get_running_loop() is loop, asyncio.current_task() is not None)
        import threading

        seen = []
        thread = threading.Thread(target=lambda: seen.append(asyncio.run(everything(1))))
        thread.start()
        thread.join()
        print(seen, asyncio.get_running_loop() is loop)

    asyncio.run(main())
    print(asyncio._get_running_loop(), asyncio.run(everything(2)))


@late_case
def loops_that_are_set() -> None:
    """Each thread sets its own, even if asyncio was imported before the patch."""
    import asyncio
    import threading

    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    start()
    barrier = threading.Barrier(3)

    def run(_: int) -> list[bool]:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        barrier.wait(60)
        seen = [asyncio.get_event_loop() is loop]
        loop.run_until_complete(asyncio.sleep(0.001))
        barrier.wait(60)
        seen.append(asyncio.get_event_loop() is loop)
        asyncio.set_event_loop(None)
        loop.close()
        return seen

    print(side_by_side(run, 3), asyncio.get_event_loop() is mine)
    print(mine.run_until_complete(everything(1)))
    mine.close()


@case
def a_loop_that_nobody_set() -> None:
    """From Python 3.12 on, whoever asks for it is warned."""
    import asyncio
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop = asyncio.get_event_loop()
    print([(str(each.message), each.filename == __file__) for each in caught])
    print(loop.run_until_complete(everything(1)))
    loop.close()


@needs("fcntl")
@case
def child_processes() -> None:
    """Also one that has ended before asyncio asks for it."""
    import asyncio
    import subprocess
    import time

    class Ended(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            if sys.argv[2] == "green":  # then, gevent reaps it
                while self.poll() is None:
                    time.sleep(0.001)

    async def job(number: int) -> list[object]:
        await meeting.wait()
        cat = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        read, _ = await cat.communicate(b"%d" % number)
        slow = await asyncio.create_subprocess_exec("sleep", "60")
        slow.kill()
        return [read, cat.returncode, await slow.wait()]

    async def ended() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "exit(4)")
        return await process.wait()

    meeting = Meeting(3)
    print(side_by_side(lambda number: asyncio.run(job(number)), 3))
    subprocess.Popen = Ended  # type: ignore[misc, assignment]
    print(asyncio.run(ended()))


@case
def tasks_of_each_loop() -> None:
    import asyncio

    meeting = Meeting(3)

    async def job(number: int) -> list[bool | str]:
        task = asyncio.current_task()
        assert task is not None
        task.set_name(f"job {number}")
        await meeting.wait()
        ends = asyncio.Event()
        child = asyncio.create_task(ends.wait())
        await asyncio.sleep(0.001)
        seen = [asyncio.current_task() is task, asyncio.all_tasks() == {task, child}]
        ends.set()
        await child
        return [*seen, task.get_name()]

    print(side_by_side(lambda number: asyncio.run(job(number)), 3))
    try:
        asyncio.current_task()
    except RuntimeError as exc:
        print(exc)


@case
def cancellation() -> None:
    import asyncio

    meeting = Meeting(3)

    async def job(number: int) -> list[str]:
        seen: list[str] = []

        async def waits() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        await meeting.wait()
        tasks = [asyncio.create_task(waits()) for _ in range(2)]
        await asyncio.sleep(0.001)
        tasks[number % 2].cancel()
        done, pending = await asyncio.wait(tasks, timeout=0.01)
        seen.append(f"{len(done)} {len(pending)} {tasks[number % 2].cancelled()}")
        return seen  # and asyncio.run cancels the other

    print(side_by_side(lambda number: asyncio.run(job(number)), 3))


@case
def context_variables() -> None:
    import asyncio
    from contextvars import ContextVar

    variable: ContextVar[object] = ContextVar("variable", default="unset")
    meeting = Meeting(3)

    async def job(number: int) -> list[object]:
        variable.set(number)
        await meeting.wait()
        await asyncio.sleep(0.001)

        async def child() -> object:
            seen = variable.get()
            variable.set("child's")
            await asyncio.sleep(0)
            return seen

        return [
            await asyncio.create_task(child()),
            await asyncio.to_thread(variable.get),
            variable.get(),
        ]

    print(side_by_side(lambda number: asyncio.run(job(number)), 3), variable.get())


@case
def debug_mode() -> None:
    import asyncio

    meeting = Meeting(3)

    async def job(number: int) -> str:
        await meeting.wait()
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 60
        assert loop.get_debug()
        assert sys.get_coroutine_origin_tracking_depth() > 0
        await asyncio.sleep(0.001 * (3 - number))
        assert sys.get_coroutine_origin_tracking_depth() > 0
        return await everything(number)

    print(side_by_side(lambda number: asyncio.run(job(number), debug=True), 3))
    print(sys.get_coroutine_origin_tracking_depth())


@case
def asynchronous_generators() -> None:
    import asyncio

    meeting = Meeting(3)

    async def job(number: int) -> list[object]:
        seen: list[object] = []
        loop = asyncio.get_running_loop()

        async def numbers() -> Any:
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(0)
                seen.append(asyncio.get_running_loop() is loop)

        await meeting.wait()
        generators = [numbers(), numbers()]
        for generator in generators:
            async for value in generator:
                seen.append(value)
                break
        await asyncio.sleep(0.001 * (3 - number))
        # One is closed by its loop when it is collected, the other when the loop ends.
        del generator, generators[0]
        await asyncio.sleep(0.001)
        loop.kept = generators  # type: ignore[attr-defined]
        return seen

    print(side_by_side(lambda number: asyncio.run(job(number)), 3))
    print(tuple(sys.get_asyncgen_hooks()))


@case
def a_blocking_call_inside_a_loop() -> None:
    """It blocks its own loop, natively as in a greenlet, and never anybody else's."""
    import asyncio
    import time

    meeting = Meeting(3)

    async def job(number: int) -> list[bool]:
        loop = asyncio.get_running_loop()
        await meeting.wait()
        time.sleep(0.01 * (3 - number))
        seen = [asyncio.get_running_loop() is loop]
        await asyncio.sleep(0.001)
        return [*seen, asyncio.get_running_loop() is loop]

    print(side_by_side(lambda number: asyncio.run(job(number)), 3))


@case
def a_loop_inside_a_loop() -> None:
    import asyncio

    async def inner() -> None: ...

    async def main() -> None:
        coroutine = inner()
        try:
            asyncio.run(coroutine)
        except RuntimeError as exc:
            print(exc)
        coroutine.close()
        loop = asyncio.new_event_loop()
        coroutine = inner()
        try:
            loop.run_until_complete(coroutine)
        except RuntimeError as exc:
            print(exc)
        coroutine.close()
        loop.close()
        await asyncio.sleep(0)

    asyncio.run(main())


@needs("fcntl")  # not on Windows
@case
def an_interrupt_from_the_keyboard() -> None:
    import asyncio
    import os
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("interrupted")
    print(asyncio.run(everything(1)))


@needs("fcntl")
@case
def a_forked_child() -> None:
    import asyncio
    import os

    async def main() -> None:
        pid = os.fork()
        if pid == 0:
            print(asyncio._get_running_loop())
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(pid, 0)
        print(asyncio.get_running_loop() is not None)

    sys.stdout.flush()
    asyncio.run(main())
