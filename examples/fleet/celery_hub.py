"""Reports over Celery, for those who run it already: docs/guides/fleet.md says when not to.

    export PYWATS_GREEN_BASE_URL=... PYWATS_GREEN_TOKEN=... REDIS_URL=redis://...
    celery -A celery_hub worker -P gevent -c 20 --without-mingle

All workers on all machines share one rate limit over the same Redis or Valkey that is the broker.
"""

import pywats_green  # isort: split

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import Celery, Task
from celery.exceptions import Reject
from pywats import pyWATS
from pywats.core.exceptions import PyWATSError

LARGEST = 256_000  # bytes of a message; a larger report goes by path

REDIS = os.environ["REDIS_URL"]

pywats_green.configure(fleet=REDIS)
app = Celery("hub", broker=REDIS)
app.conf.update(
    # JSON alone: a pickle runs whatever code the broker's other users put into it.
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    # Each of these three loses reports if it is left at its default.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=False,
    # A worker that died holds what it took until this is over. Above the longest wait: the limit's.
    broker_transport_options={
        "visibility_timeout": float(os.environ.get("VISIBILITY_TIMEOUT", "3600"))
    },
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@lru_cache(maxsize=1)
def api() -> pyWATS:
    """Return the client, made in the worker."""
    return pyWATS(
        base_url=os.environ["PYWATS_GREEN_BASE_URL"], token=os.environ["PYWATS_GREEN_TOKEN"]
    )


def hand_in(report: dict[str, Any], folder: Path | None = None) -> None:
    """Queue a report; its id names the task, and WATS keeps one report of an id.

    Args:
        report: The report, with an id.
        folder: Where all workers can read it, for a report that is too large for a message.
    """
    text = json.dumps(report)
    if len(text) <= LARGEST:
        submit.apply_async((report,), task_id=report["id"])
        return
    if folder is None:
        raise ValueError(f"{len(text)} bytes are too many for a message: pass a folder")
    path = folder / f"{report['id']}.json"
    path.write_text(text)
    submit_file.apply_async((str(path),), task_id=report["id"])


@app.task(bind=True, max_retries=None)
def submit(self: Task, report: dict[str, Any]) -> None:
    """Send a report."""
    _send(self, report)


@app.task(bind=True, max_retries=None)
def submit_file(self: Task, path: str) -> None:
    """Send a report that was too large for a message."""
    file = Path(path)
    if file.exists():  # otherwise an earlier delivery of this task sent it
        _send(self, json.loads(file.read_text()))
        file.unlink()


def _send(task: Task, report: dict[str, Any]) -> None:
    try:
        receipt = api().report.submit(report)
        UUID(str(receipt))  # a proxy's login page comes with status 200, too
    except (PyWATSError, OSError, ValueError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (400, 409, 413, 415, 422):  # the report's own fault
            raise Reject(str(error), requeue=False) from error
        raise task.retry(
            exc=error, countdown=min(300.0, 2.0 ** min(task.request.retries, 8))
        ) from error
