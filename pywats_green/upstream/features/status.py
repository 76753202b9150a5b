"""`serve_status()`: the status page of this process."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import gevent

from pywats_green.arguments import require_seconds
from pywats_green.config import environment
from pywats_green.events import subscribe
from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError
from pywats_green.observe.board import Board, FindingState, Quarantined, QueueState
from pywats_green.observe.server import Site, Sources, StatusServer
from pywats_green.observe.traffic import Traffic
from pywats_green.queue.drain.statistics import live_processors
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.upstream.features.inspection import stats
from pywats_green.wsgi import is_loopback, parse_address

if TYPE_CHECKING:
    from pywats_green.observe.metrics import StatsCollector
    from pywats_green.profiler import QueryProfile

PASSWORD = "PYWATS_GREEN_STATUS_PASSWORD"  # noqa: S105  # the variable's name

_MOST_QUARANTINED = 20
_LOOK_AGAIN = 60.0  # seconds; a quarantine whose count stands still is not read more often
_RARELY = 20  # times as long as reading took, between two
_MOST_FINDINGS = 20


def serve_status(
    address: str = "127.0.0.1:8080",
    *,
    oldest: float | None = 3600.0,
    profile: QueryProfile | None = None,
    hosts: Iterable[str] = (),
) -> StatusServer:
    """Serve a status page for operators, until it is closed or the process ends.

    `/` is a page that keeps itself up to date, `/status.json` the same as data, `/metrics` has the
    metrics for Prometheus (needs `pywats-green[metrics]`), and `/healthz` answers 503 while the
    gate of a server is closed, a queue is paused or cannot be read, or a report has been waiting
    too long. It shows all queues, clients and Pools of this process, and everything is read only.

    Args:
        address: "HOST:PORT"; port 0 takes a free one. Anything but the loopback needs a password
            in the environment variable PYWATS_GREEN_STATUS_PASSWORD, which readers enter under
            any user name. There is no TLS: use a reverse proxy, or a network that you trust.
        oldest: Seconds for which a report may wait before `/healthz` says 503. None: no limit.
        profile: What `profile_queries()` yielded; its findings are shown.
        hosts: Further names under which this machine is called.

    Returns:
        The server; a context manager that closes it. `url` is the address of the page.

    Raises:
        ArgumentTypeError: `oldest` is not a number, or `hosts` is a str.
        InvalidArgumentError: `oldest` is not above 0, `address` has another form, or it is not on
            the loopback and there is no password.
        OSError: It cannot listen there.
    """
    if oldest is not None:
        require_seconds("oldest", oldest)
    if isinstance(hosts, str):
        raise ArgumentTypeError("hosts must be several names, such as ['hub'], not a str")
    host, port = parse_address(address)
    password = environment().get(PASSWORD) or None
    if password is None and not is_loopback(host):
        raise InvalidArgumentError(
            f"{host} can be reached from other machines: set {PASSWORD}, or use 127.0.0.1"
        )
    board = Board(stats, _Queues().states, partial(_findings_of, profile), oldest)
    site = Site(Sources(board.document, board.complaints, _metrics_of(board)), password, hosts)
    watching = gevent.spawn(board.history.run)

    def stop() -> None:
        board.close()
        watching.kill(block=False)

    try:
        return StatusServer(host, port, site, stop)
    except BaseException:
        stop()
        raise


def metrics_collector() -> StatsCollector:
    """Return a Prometheus collector of this process, to register with your own registry.

    It has what `/metrics` of `serve_status` has. Routes are counted from now on.

    Raises:
        ImportError: prometheus-client is not installed: `pip install 'pywats-green[metrics]'`.
    """
    from pywats_green.observe.metrics import StatsCollector  # noqa: PLC0415

    traffic = Traffic()
    subscribe(traffic)
    return StatsCollector(stats, traffic.routes)


class _Quarantine(NamedTuple):
    """What was in a quarantine when it was read: at that time, and that took so many seconds."""

    held: int
    at: float
    took: float
    shown: list[Quarantined]


_UNKNOWN = _Quarantine(-1, float("-inf"), 0.0, [])


class _Queues:
    """The queues of this process, each once, with what is in their quarantine."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: weakref.WeakKeyDictionary[FolderQueue, _Quarantine]
        self._known = weakref.WeakKeyDictionary()
        self._being_read: weakref.WeakSet[FolderQueue] = weakref.WeakSet()

    def states(self) -> list[QueueState]:
        by_queue = {id(processor.source): processor for processor in live_processors()}
        found = []
        for processor in by_queue.values():
            source = processor.source
            try:
                figures, quarantined = processor.stats(), source.counts()["quarantined"]
                if isinstance(source, FolderQueue):
                    name, quarantine = str(source.path), self._quarantine(source, quarantined)
                else:
                    name, quarantine = type(source).__name__, []
            except OSError:  # which is in the log, and no sign of health
                continue
            found.append(
                QueueState(name=name, stats=figures, quarantined=quarantined, quarantine=quarantine)
            )
        return found

    def _quarantine(self, queue: FolderQueue, count: int) -> list[Quarantined]:
        """Return the latest; reading them all takes long, so they are read when the count moves.

        And not so often, or by so many readers at once, that the drain would notice.
        """
        now = self._clock()
        known = self._known.get(queue, _UNKNOWN)
        due = known.took * _RARELY if known.held != count else _LOOK_AGAIN
        if queue in self._being_read or now - known.at < due:
            return known.shown
        self._being_read.add(queue)
        try:
            items = queue.list("quarantined") if count else []
        finally:
            self._being_read.discard(queue)
        latest = sorted(items, key=lambda item: item.since)[:_MOST_QUARANTINED]
        shown = [
            Quarantined(
                id=item.item_id, reason=item.last_error, attempts=item.attempts, since=item.since
            )
            for item in latest
        ]
        self._known[queue] = _Quarantine(count, now, self._clock() - now, shown)
        return shown


def _findings_of(profile: QueryProfile | None) -> list[FindingState]:
    if profile is None:
        return []
    return [
        FindingState(
            kind=finding.kind,
            route=f"{finding.method} {finding.route}",
            caller=str(finding.caller),
            count=finding.count,
            advice=finding.advice,
        )
        for finding in profile.findings[:_MOST_FINDINGS]
    ]


def _metrics_of(board: Board) -> Callable[[], bytes] | None:
    """Return what makes the metrics. None: prometheus-client is not installed."""
    try:
        from pywats_green.observe.metrics import StatsCollector, exposition  # noqa: PLC0415
    except ImportError:
        return None
    return partial(exposition, StatsCollector(stats, board.traffic.routes))
