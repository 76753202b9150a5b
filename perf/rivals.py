"""Plays of other HTTP libraries: the same responses as plain JSON, without pywats' models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from play import Play, Setting, paths


def headers(setting: Setting) -> dict[str, str]:
    return {"Authorization": f"Basic {setting.token}", "Accept": "application/json"}


def with_aiohttp(setting: Setting) -> Play:
    """aiohttp on a plain event loop, with a gathered worker per call in flight."""
    import aiohttp

    loop = asyncio.new_event_loop()

    async def opened() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=setting.concurrency)
        return aiohttp.ClientSession(setting.url, headers=headers(setting), connector=connector)

    session = loop.run_until_complete(opened())

    async def read(path: str) -> Any:
        async with session.get(path) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def run(count: int) -> list[Any]:
        todo = paths(count)

        async def worker() -> list[Any]:
            return [await read(path) for path in todo]

        found: list[Any] = await asyncio.gather(*(worker() for _ in range(setting.concurrency)))
        return found

    return Play(lambda count: loop.run_until_complete(run(count)))


def session_of(setting: Setting) -> Any:
    """Return a requests Session that keeps a connection per call in flight."""
    import requests

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=setting.concurrency))
    session.headers.update(headers(setting))
    return session


def decoded(answer: Any) -> Any:
    answer.raise_for_status()
    return answer.json()


def with_grequests(setting: Setting) -> Play:
    """grequests, which patches the process itself, with a shared session."""
    import grequests

    session = session_of(setting)

    def run(count: int) -> list[Any]:
        calls = [grequests.get(setting.url + path, session=session) for path in paths(count)]
        return [decoded(answer) for answer in grequests.map(calls, size=setting.concurrency)]

    return Play(run)


def with_requests(setting: Setting) -> Play:
    """Threads that share a requests session."""
    session, executor = session_of(setting), ThreadPoolExecutor(setting.concurrency)

    def read(path: str) -> Any:
        return decoded(session.get(setting.url + path))

    return Play(lambda count: list(executor.map(read, paths(count))))


PLAYS: dict[str, Callable[[Setting], Play]] = {
    "aiohttp": with_aiohttp,
    "grequests": with_grequests,
    "requests": with_requests,
}
