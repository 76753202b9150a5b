"""The gate's workload: plays for contestant.py that run with either revision.

They must run with old revisions as well, so they only use what was public from the start.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from play import Play, Setting
from pywats import pyWATS

import pywats_green

CONCURRENCY = 50
KEYS = [f"PN-{number:05d}" for number in range(1000)]


class MissingError(Exception):
    """The revision lacks what is to be timed."""


def spend(values: Iterable[object]) -> None:
    """Consume values without keeping them, which would give the garbage collector more work."""
    deque(values, maxlen=0)


def client(setting: Setting, metric: str, *, cache: bool) -> pyWATS:
    if not Path(pywats_green.__file__).is_relative_to(os.environ["GATE_TREE"]):
        raise RuntimeError(f"this is {pywats_green.__file__}")
    api = pyWATS(base_url=setting.url, token=setting.token, enable_cache=cache)
    product = api.product.get_product(KEYS[0])
    if product is None or product.part_number != KEYS[0]:
        raise RuntimeError(f"{KEYS[0]} was answered with {product!r}")
    pywats_green.gate_metric = metric  # used by the slow copy of the proof
    gc.collect()
    gc.freeze()  # otherwise every collection walks all modules, which takes longer than a round
    return api


def sequential(setting: Setting) -> Play:
    api = client(setting, "sequential", cache=False)
    return Play(lambda calls: spend(map(api.product.get_product, KEYS[:calls])))


def concurrent(setting: Setting) -> Play:
    api, pool = client(setting, "concurrent", cache=False), pywats_green.Pool(CONCURRENCY)
    return Play(lambda calls: pool.map(api.product.get_product, KEYS[:calls]))


def cached(setting: Setting) -> Play:
    api = client(setting, "cached", cache=True)
    return Play(lambda calls: spend(map(api.product.get_product, KEYS[:1] * calls)))


def drain(setting: Setting) -> Play:
    processor = getattr(pywats_green, "QueueProcessor", None)
    if processor is None:
        raise MissingError("no QueueProcessor")
    api, folders = client(setting, "drain", cache=False), [Path()]

    def prepare(reports: int) -> None:
        folders[0] = Path(tempfile.mkdtemp())  # inside a folder that the gate removes
        for number in range(reports):
            report = {"id": str(uuid.uuid4()), "type": "T", "pn": KEYS[0], "sn": str(number)}
            (folders[0] / f"{number:06d}.queued").write_text(json.dumps(report), "utf-8")

    def run(reports: int) -> None:
        summary = processor(folders[0], api, concurrency=20).drain()
        if summary.submitted != reports:
            raise RuntimeError(f"{reports} reports were drained with {summary}")

    return Play(run, prepare)


PLAYS: dict[str, Callable[[Setting], Play]] = {
    "sequential": sequential,
    "concurrent": concurrent,
    "cached": cached,
    "drain": drain,
}
