"""Checks that calls to the embedded server run green, as seen by the server."""

from __future__ import annotations

from collections.abc import Iterator

from pywats_green.cli.checks.row import Row
from pywats_green.cli.checks.surroundings import thread_count
from pywats_green.cli.embedded import embedded_server, without_proxy
from pywats_green.cli.errors import CommandError, redact
from pywats_green.cli.measuring import Job, Run, green
from pywats_green.upstream.hooks.seams import is_installed

CALLS = 20
LATENCY = 0.25  # seconds; even a busy machine sends half the calls within it
ONE_BY_ONE = CALLS * LATENCY

_ADVICE = "see the rows above; if all are ok, report it with this output"


def calls_run_green() -> Iterator[Row]:
    """Make concurrent calls, and ask the server how many were in flight at once."""
    if not is_installed():
        yield Row("calls", "warn", "not tried: pywats_green is switched off")
        return
    try:
        run, highest, grown = _measure()
    except CommandError as exc:
        yield Row("calls", "fail", redact(exc), "try python -m pywats_green serve")
        return
    if run.errors:
        yield Row("calls", "fail", f"{len(run.errors)} failed: {redact(run.errors[0])}", _ADVICE)
        return
    yield _judged(run, highest)
    if grown > 0:
        yield Row("calls-threads", "fail", f"the calls started {grown} native threads", _ADVICE)
    else:
        yield Row("calls-threads", "ok", "the calls started no native thread")


def _judged(run: Run, highest: int) -> Row:
    finding = (
        f"{run.calls} calls at {LATENCY * 1000:g} ms took {run.seconds:.2f} s; "
        f"the server saw {highest} at once"
    )
    if highest < CALLS // 2:
        return Row("calls", "fail", finding, _ADVICE)
    if run.seconds >= ONE_BY_ONE:
        return Row("calls", "warn", f"{finding}: too slow", "try again on a machine less busy")
    return Row("calls", "ok", finding)


def _measure() -> tuple[Run, int, int]:
    """Return the run, the server's highest concurrency, and the number of new native threads."""
    # Imported here, because pywats may be broken, which other checks report.
    from pywats_green.cli.clients import new_client  # noqa: PLC0415

    with without_proxy(), embedded_server(latency=LATENCY) as server:
        with new_client(server.url, server.token) as api:
            job = Job(
                "look up products",
                api.product.get_product,
                [f"PN-{number:05d}" for number in range(CALLS)],
            )
            job.call(job.items[0])  # the first call builds models
            before = thread_count()
            run = green(job, CALLS, lambda _done, _total: None)
            grown = thread_count() - before
        return run, server.stats()["highest_concurrency"], grown
