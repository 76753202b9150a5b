"""`demo`: measures what green gains, on the embedded server or, read-only, on the user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple

import click
from pywats.core.throttle import configure_throttling

from pywats_green.cli import options as option
from pywats_green.cli import workload
from pywats_green.cli.clients import answering, new_client, require_green
from pywats_green.cli.console import out
from pywats_green.cli.demo_output import DemoResult, as_json, print_result
from pywats_green.cli.embedded import embedded_server, without_proxy
from pywats_green.cli.errors import FAILED, NOT_CONFIGURED, CommandError, redact
from pywats_green.cli.measuring import Comparison, Job, Run, green, one_by_one
from pywats_green.config import BASE_URL, TOKEN, environment
from pywats_green.progress import Bar, ProgressCallback
from pywats_green.testing import WatsServer

SAMPLE = 15

# On a shared server: 3 listings, and 3 jobs of 10 calls one by one and 40 green.
OWN_SAMPLE = 10
OWN_READS = 40

LABEL_WIDTH = 19


class Options(NamedTuple):
    """The options of the command, as given."""

    reports: int
    concurrency: int
    latency: float
    as_json: bool


@click.command(
    epilog=(
        f"With {BASE_URL} and {TOKEN} set, it only reads, from that server: fewer than 200 "
        "requests, within upstream's limit of 500 a minute."
    )
)  # fmt: skip
@click.option(
    "--reports", type=option.COUNT, default=300, metavar="N", show_default=True,
    help="Reports to submit and objects to read, embedded server only.",
)  # fmt: skip
@click.option(
    "--concurrency", type=option.COUNT, default=50, metavar="N", show_default=True,
    help="Green calls in flight.",
)  # fmt: skip
@click.option(
    "--latency", type=option.SECONDS, default=0.05, show_default=True,
    help="Delay of each answer of the embedded server, in seconds.",
)  # fmt: skip
@option.as_json
def command(**given: Any) -> int:
    """Measure reports, products and assets: one by one and green."""
    options = Options(**given)
    require_green()
    own = own_server(environment())
    result = _on_own_server(*own, options) if own else on_embedded_server(options)
    if options.as_json:
        print(json.dumps(as_json(result)))
    else:
        print_result(out(), result)
    return 0 if result.ok else FAILED


def own_server(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return base URL and token of the user's own server. None: none is configured.

    Raises:
        CommandError: Only one of the two is set.
    """
    names = (BASE_URL, TOKEN)
    url, token = (environ.get(name, "").strip() for name in names)
    if url and token:
        return url, token
    if url or token:
        present, missing = names if url else reversed(names)
        raise CommandError(
            f"{present} is set, but {missing} is not: set both to read from your own server, or "
            "neither to use the embedded one",
            NOT_CONFIGURED,
        )
    return None


def on_embedded_server(options: Options) -> DemoResult:
    """Measure on the embedded server, reports included."""
    count, sample = options.reports, min(SAMPLE, options.reports)
    with without_proxy(), embedded_server(latency=options.latency) as server:
        with _unthrottled_client(server) as api:
            products, assets, _ = _listed(api, count)

            def jobs(length: int) -> list[Job]:
                reports = workload.build_reports(api, length, products)
                return [
                    workload.submitting(api, reports),
                    *workload.reading(
                        api,
                        list(islice(cycle(products), length)),
                        list(islice(cycle(assets), length)),
                        [report.sn for report in reports],
                    ),
                ]

            before = _sampled(jobs(sample))
            server.reset()  # at the end, its state and counters are those of the green run alone
            measured = jobs(count)
            after = _measured_green(measured, options.concurrency)
        accepted, highest = server.reports(), server.stats()["highest_concurrency"]
    expected = {str(report.id).lower() for report in measured[0].items}
    return DemoResult(
        comparisons=_paired(measured, before, after),
        concurrency=options.concurrency,
        latency=options.latency,
        reports_sent=len(expected),
        reports_held=len(accepted),
        each_once=accepted == dict.fromkeys(expected, 1),
        highest_concurrency=highest,
    )


def _on_own_server(url: str, token: str, options: Options) -> DemoResult:
    with new_client(url, token) as api:
        jobs = [job for job in workload.reading(api, *_listed(api, OWN_READS)) if job.items]
        if not jobs:
            raise CommandError(
                "the server answers, but has no product, asset or report to read: check the "
                "permissions of the token"
            )
        before = _sampled([job._replace(items=job.items[:OWN_SAMPLE]) for job in jobs])
        after = _measured_green(jobs, options.concurrency)
    return DemoResult(
        comparisons=_paired(jobs, before, after),
        concurrency=options.concurrency,
        own_url=redact(url),
    )


def _unthrottled_client(server: WatsServer) -> Any:
    # A client takes the limiter that is configured when it is created.
    configure_throttling(enabled=False)
    try:
        return new_client(server.url, server.token)
    finally:
        configure_throttling()


def _listed(api: Any, count: int) -> tuple[list[str], list[str], list[str]]:
    with answering():
        return workload.list_keys(api, count)


def _bar(label: str) -> Bar:
    return Bar(label.ljust(LABEL_WIDTH))


def _sampled(jobs: Sequence[Job]) -> list[Run]:
    total = sum(len(job.items) for job in jobs)
    runs: list[Run] = []
    with _bar("sample, one by one") as bar:
        for job in jobs:
            before = sum(run.calls for run in runs)
            runs.append(one_by_one(job, _shifted(bar, before, total)))
    return runs


def _shifted(bar: ProgressCallback, before: int, total: int) -> ProgressCallback:
    """Show the progress of one job as part of the total."""
    return lambda done, _: bar(before + done, total)


def _measured_green(jobs: Sequence[Job], concurrency: int) -> list[Run]:
    runs = []
    for job in jobs:
        with _bar(job.name) as bar:
            runs.append(green(job, concurrency, bar))
    return runs


def _paired(
    jobs: Sequence[Job], before: Sequence[Run], after: Sequence[Run]
) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(job.name, slow, fast)
        for job, slow, fast in zip(jobs, before, after, strict=True)
    )
