"""`drain`: sends the reports waiting in a folder."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import click
import gevent
from rich.console import Console
from rich.text import Text

from pywats_green.cli import options as option
from pywats_green.cli.clients import configured_server, new_client, require_green
from pywats_green.cli.commands import PROGRAM
from pywats_green.cli.console import out, plain, say
from pywats_green.cli.errors import FAILED, NOT_CONFIGURED, UNAVAILABLE, CommandError, redact
from pywats_green.cli.queue.folder import opened_queue
from pywats_green.cli.queue.messages import Pauses, messages_on_stderr
from pywats_green.cli.queue.panel import watch_panel
from pywats_green.cli.tables import Cell, Column, print_table
from pywats_green.config import ACCEPT, ANY_2XX, BASE_URL, TOKEN, accepts_any_2xx, environment
from pywats_green.exceptions import InvalidArgumentError, SettingsError
from pywats_green.progress import Bar
from pywats_green.queue.drain.statistics import DrainSummary
from pywats_green.queue.signals import stopping_on_signals
from pywats_green.queue.source import remaining_in
from pywats_green.upstream.features.queues.processor import QueueProcessor
from pywats_green.upstream.features.queues.submission import Accept, any_2xx

STOP_TIMEOUT = 30.0  # seconds that a signal gives the reports in flight


class Options(NamedTuple):
    """The options of the command, as given."""

    folder: str
    watch: bool
    timeout: float | None
    give_up_after: float
    concurrency: int
    max_attempts: int
    order_by: str | None
    keep_quarantined: float | None
    accept: str | None
    status: str | None
    as_json: bool


@click.command(
    epilog=(
        f"Server and token are read from {BASE_URL} and {TOKEN}; {ACCEPT}={ANY_2XX} is the same as "
        f"--accept {ANY_2XX}. Ctrl-C and SIGTERM let reports in flight finish (up to "
        f"{STOP_TIMEOUT:g} seconds; a second signal ends at once); the rest stays in the folder. "
        "Exit status: 0 all sent; 1 some are in quarantine or remain; 2 wrong use; 3 not "
        "configured; 4 nothing was being sent at the end, and the line on stderr says why."
    )
)  # fmt: skip
@option.folder
@click.option("--watch", is_flag=True, help="Keep sending what arrives, until a signal.")
@click.option(
    "--timeout", type=option.TIMEOUT, help="End after this time.  [default: no limit]",
)  # fmt: skip
@click.option(
    "--give-up-after", type=option.SECONDS, default=60.0, show_default=True,
    help="End once nothing could be sent for this long; ignored with --watch.",
)  # fmt: skip
@click.option(
    "--concurrency", type=option.COUNT, default=20, metavar="N", show_default=True,
    help="Reports in flight.",
)  # fmt: skip
@click.option(
    "--max-attempts", type=option.COUNT, default=5, metavar="N", show_default=True,
    help="Failed attempts after which a report goes to quarantine.",
)  # fmt: skip
@click.option(
    "--order-by", metavar="FIELD",
    help="Send reports with the same value of this field one after another, such as sn.",
)  # fmt: skip
@click.option(
    "--keep-quarantined", type=option.TIMEOUT,
    help="Delete reports that have been in quarantine for longer.  [default: never]",
)  # fmt: skip
@click.option(
    "--accept", type=click.Choice([ANY_2XX]),
    help="What counts as delivered: every 2xx, even without a receipt from WATS.",
)  # fmt: skip
@click.option(
    "--status", metavar="HOST:PORT", callback=option.checked_address,
    help="Serve a status page at this address, such as 127.0.0.1:8080.",
)  # fmt: skip
@option.as_json
def command(**given: Any) -> int:
    """Send the reports waiting in FOLDER, and print what was done."""
    options = Options(**given)
    if options.watch and options.timeout is not None:
        raise click.UsageError("--timeout is not allowed with --watch.")
    require_green()
    with opened_queue(
        options.folder, order_by=options.order_by, keep_quarantined=options.keep_quarantined
    ) as queue:
        url, token = configured_server(environment())
        accept = _accept(options.accept, environment())
        with messages_on_stderr(), new_client(url, token) as api, _status_page(options.status):
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


def _drain(processor: QueueProcessor, options: Options) -> DrainSummary:
    with _stopping(processor), Bar("sent", may_grow=True) as bar:
        progress = bar if sys.stderr.isatty() else None
        return processor.drain(progress=progress, timeout=options.timeout)


def _watch(processor: QueueProcessor, options: Options) -> DrainSummary:
    started = time.monotonic()
    with _stopping(processor):
        # Only now, because whoever reads this line may send a signal.
        say(f"watching {plain(options.folder)}; Ctrl-C ends it")
        with watch_panel(processor):
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


def _stopping(processor: QueueProcessor) -> AbstractContextManager[None]:
    """Let Ctrl-C and SIGTERM end a drain, and say so."""

    def stop(hurry: bool) -> None:
        if hurry:
            say("stopping now; what was being sent goes back to the folder")
        else:
            say(f"stopping, up to {STOP_TIMEOUT:g} s; again to stop now")
        # In a greenlet, because stop blocks, and a second signal must still be handled.
        gevent.spawn(processor.stop, 0.0 if hurry else STOP_TIMEOUT)

    return stopping_on_signals(stop)


def _report(summary: DrainSummary, options: Options) -> int:
    reason = None if summary.paused_reason is None else redact(summary.paused_reason)
    status = FAILED if summary.quarantined or summary.remaining else 0
    if reason is not None and summary.remaining:
        status = UNAVAILABLE
    if options.as_json:
        print(json.dumps({**summary._asdict(), "paused_reason": reason, "exit_status": status}))
    else:
        print_summary(out(), summary)
    if status == UNAVAILABLE:
        say(f"{reason}{_advice(str(reason))}; nothing was lost")
    elif summary.quarantined:
        say(f"to see why: {PROGRAM} queue list {plain(options.folder)} --state quarantined")
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


def print_summary(console: Console, summary: DrainSummary) -> None:
    """Print what was done."""
    rows: list[tuple[Cell, ...]] = [
        ("sent", f"{summary.submitted}"),
        ("tried again", f"{summary.retried}"),
        ("quarantined", Text(f"{summary.quarantined}", "red" if summary.quarantined else "")),
        ("remaining", Text(f"{summary.remaining}", "yellow" if summary.remaining else "")),
        ("seconds", f"{summary.elapsed:.2f}"),
        ("per second", f"{summary.rate:.1f}"),
    ]
    print_table(console, (Column(""), Column("", right=True)), rows)
