"""`drain`: sends the reports waiting in a folder."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import gevent

from pywats_green.cli import options as option
from pywats_green.cli.clients import new_client, require_green
from pywats_green.cli.errors import FAILED, CommandError, redact
from pywats_green.cli.queue.folder import opened_queue, plain, say
from pywats_green.cli.queue.progress import LiveBar, Pauses, told_lines
from pywats_green.cli.table import aligned
from pywats_green.config import ACCEPT, ANY_2XX, BASE_URL, TOKEN, accepts_any_2xx, environment
from pywats_green.exceptions import InvalidArgumentError, SettingsError
from pywats_green.queue.drain.statistics import DrainSummary
from pywats_green.queue.signals import stopping_on_signals
from pywats_green.queue.source import remaining_in
from pywats_green.upstream.features.queues.processor import QueueProcessor
from pywats_green.upstream.features.queues.submission import Accept, any_2xx

NOT_CONFIGURED = 3
UNAVAILABLE = 4

STOP_TIMEOUT = 30.0  # seconds that a signal gives the reports in flight


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = (
        f"Server and token are read from {BASE_URL} and {TOKEN}; {ACCEPT}={ANY_2XX} is the same as "
        f"--accept {ANY_2XX}. Ctrl-C and SIGTERM let reports in flight finish (up to "
        f"{STOP_TIMEOUT:g} seconds; a second signal ends at once); the rest stays in the folder. "
        "Exit status: 0 all sent; 1 some are in quarantine or remain; 2 wrong use; 3 not "
        "configured; 4 nothing was being sent at the end, and the line on stderr says why."
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder of the queue")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--watch", action="store_true", help="keep sending what arrives, until a signal"
    )
    length.add_argument(
        "--timeout", type=option.timeout, metavar="SECONDS", help="end after this time (no limit)"
    )
    parser.add_argument(
        "--give-up-after", type=option.seconds, default=60.0, metavar="SECONDS",
        help="end after this time in which nothing could be sent; ignored with --watch (60)",
    )  # fmt: skip
    parser.add_argument(
        "--concurrency", type=option.positive_int, default=20, metavar="N",
        help="reports in flight (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--max-attempts", type=option.positive_int, default=5, metavar="N",
        help="failed attempts after which a report goes to quarantine (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--order-by", metavar="FIELD",
        help="send reports with the same value of this field one after another, such as sn (any)",
    )  # fmt: skip
    parser.add_argument(
        "--keep-quarantined", type=option.timeout, metavar="SECONDS",
        help="delete what has been in quarantine for longer (never)",
    )  # fmt: skip
    parser.add_argument(
        "--accept",
        choices=[ANY_2XX],
        help="what counts as delivered: every 2xx, even without a receipt from WATS",
    )
    parser.add_argument(
        "--status", metavar="HOST:PORT",
        help="serve a status page there meanwhile, such as 127.0.0.1:8080 (none)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON, one line")


def execute(options: argparse.Namespace) -> int:
    """Drain and print.

    Returns:
        0 all sent, 1 something is in quarantine or remains, 4 sending was paused.

    Raises:
        CommandError: It cannot start, or the folder failed.
    """
    require_green()
    with opened_queue(
        options.folder, order_by=options.order_by, keep_quarantined=options.keep_quarantined
    ) as queue:
        url, token = _server(environment())
        accept = _accept(options.accept, environment())
        with told_lines(), new_client(url, token) as api, _status_page(options.status):
            processor = QueueProcessor(
                queue,
                api,
                concurrency=options.concurrency,
                max_attempts=options.max_attempts,
                give_up_after=options.give_up_after,
                accept=accept,
                on_result=Pauses(lambda: processor.paused_reason) if options.watch else None,
            )
            run = _watch if options.watch else _drain
            summary = run(processor, options)
            held = queue.elsewhere().told
            if held is not None:
                say(f"{plain(held)}; `queue release` frees what no living process holds")
    return _report(summary, options)


@contextmanager
def _status_page(address: str | None) -> Iterator[None]:
    if address is None:
        yield
        return
    from pywats_green.upstream.features.status import serve_status  # noqa: PLC0415  # rarely used

    try:
        page = serve_status(address)
    except (InvalidArgumentError, OSError) as exc:
        raise CommandError(f"no status page: {exc}", NOT_CONFIGURED) from exc
    with page:
        say(f"status page: {page.url}")
        yield


def _accept(option: str | None, environ: Mapping[str, str]) -> Accept | None:
    try:
        return any_2xx if option or accepts_any_2xx(environ) else None
    except SettingsError as exc:
        raise CommandError(str(exc), NOT_CONFIGURED) from exc


def _server(environ: Mapping[str, str]) -> tuple[str, str]:
    url, token = (environ.get(name, "").strip() for name in (BASE_URL, TOKEN))
    missing = [name for name, value in ((BASE_URL, url), (TOKEN, token)) if not value]
    if missing:
        raise CommandError(
            f"not configured: set {' and '.join(missing)} in the environment", NOT_CONFIGURED
        )
    if not _is_url(url):
        raise CommandError(
            f"{BASE_URL} is not a URL: set it to https://your-company.wats.com", NOT_CONFIGURED
        )
    return url, token


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _drain(processor: QueueProcessor, options: argparse.Namespace) -> DrainSummary:
    bar = LiveBar() if sys.stderr.isatty() else None
    with _stopping_on_signals(processor):
        try:
            return processor.drain(progress=bar, timeout=options.timeout)
        finally:
            if bar is not None:
                bar.finish()


def _stopping_on_signals(processor: QueueProcessor) -> AbstractContextManager[None]:
    # In a greenlet, because stop blocks, and a second signal must still be handled.
    return stopping_on_signals(
        lambda hurry: gevent.spawn(processor.stop, 0.0 if hurry else STOP_TIMEOUT)
    )


def _watch(processor: QueueProcessor, options: argparse.Namespace) -> DrainSummary:
    started = time.monotonic()
    with _stopping_on_signals(processor):
        # Only now, because whoever reads this line may send a signal.
        say(f"watching {options.folder}; Ctrl-C ends it")
        processor.run()
    elapsed = time.monotonic() - started
    done = processor.stats()
    return DrainSummary(
        submitted=done["submitted"],
        retried=done["retried"],
        quarantined=done["quarantined"],
        remaining=remaining_in(processor.source),
        paused_reason=done["paused"],
        elapsed=elapsed,
        rate=done["submitted"] / elapsed if elapsed else 0.0,
    )


def _report(summary: DrainSummary, options: argparse.Namespace) -> int:
    reason = None if summary.paused_reason is None else redact(summary.paused_reason)
    status = FAILED if summary.quarantined or summary.remaining else 0
    if reason is not None and summary.remaining:
        status = UNAVAILABLE
    if options.json:
        print(json.dumps({**summary._asdict(), "paused_reason": reason, "exit_status": status}))
    else:
        print(_as_text(summary))
    if status == UNAVAILABLE:
        say(f"{reason}{_advice(str(reason))}; nothing was lost")
    elif summary.quarantined:
        say(f"to see why: python -m pywats_green queue list {options.folder} --state quarantined")
    return status


# What to do about a pause, by how its reason begins; one that is not here says so itself.
_ADVICE = {
    "the server refused the token": f"check {TOKEN}, then drain again",
    "the server is unreachable": f"check {BASE_URL} and the network, then drain again",
    "no reports are taken at this address": f"check {BASE_URL} and the proxy, then drain again",
    "nothing can be sent from here": "mend that, then drain again",
    "the server failed": "drain again when it is well",
    "the server did not answer": "drain again when it is well",
    "the server asked to be left alone": "drain again later",
    "all requests to the server wait": "drain again later",
}


def _advice(reason: str) -> str:
    found = (text for start, text in _ADVICE.items() if reason.startswith(start))
    return "".join(f": {text}" for text in found)


def _as_text(summary: DrainSummary) -> str:
    rows = [
        ("sent", f"{summary.submitted}"),
        ("tried again", f"{summary.retried}"),
        ("in quarantine", f"{summary.quarantined}"),
        ("remaining", f"{summary.remaining}"),
        ("seconds", f"{summary.elapsed:.2f}"),
        ("a second", f"{summary.rate:.1f}"),
    ]
    return "\n".join(aligned(rows))
