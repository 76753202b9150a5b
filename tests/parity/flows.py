"""Scenarios of several calls: each function drives a client and returns what it observed."""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pywats.pywats as pywats_module
from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.core.config import SyncConfig
from pywats.core.exceptions import PyWATSError
from pywats.core.pagination import Paginator, paginate, paginate_all
from pywats.core.parallel import parallel_execute
from pywats.core.retry import RetryConfig
from pywats.domains.product import ProductRevision
from typed import private

from parity.control import Control
from parity.outcome import outcome_of

try:
    from pywats.domains.software.manifest import PackageManifest
except ImportError:  # not in 0.5.0b6
    PackageManifest = None  # type: ignore[misc, assignment]

PART = ("PN-00001", "A")
UNIT = ("SN-00001", "PN-00001")


class Setting:
    """The setting of a flow.

    Args:
        servers: As the driver was given it.
        folder: Empty, for the flow's own use.
        control: Of the embedded server.
    """

    def __init__(self, servers: dict[str, Any], folder: Path, control: Control) -> None:
        self.url, self.token = servers["wats"], servers["token"]
        self.refused = f"http://127.0.0.1:{servers['ports']['refused']}"
        self.control = control
        self.folder = folder

    def client(self, **options: Any) -> pyWATS:
        """Make a client."""
        return pyWATS(**{"base_url": self.url, "token": self.token, **options})


def box_build_by_hand(setting: Setting) -> Any:
    with setting.client() as api:
        template = api.product.get_box_build_template(*PART)
        seen: list[object] = []
        seen.append(template.add_subunit("PN-00002", "A", quantity=2, item_number="1") is template)
        seen.append(template.add_subunit("PN-00003", "A").set_quantity("PN-00003", "A", 5))
        seen += [template.has_pending_changes, template.parent_part_number, len(template.subunits)]
        seen += [template.save() is template, template.has_pending_changes]
        seen += [template.update_subunit("PN-00002", "A", item_number="2"), template.save()]
        seen += [template.remove_subunit("PN-00002", "A"), template.discard(), template.reload()]
        seen += [template.clear_all(), template.save(), api.product.get_box_build_subunits(*PART)]
        seen += [outcome_of(lambda: template.remove_subunit("PN-00009", "A"))[1]]
        seen += [outcome_of(lambda: template.add_subunit("PN-MISSING", "A"))[1]]
        return seen


def box_build_in_a_block(setting: Setting) -> Any:
    with setting.client() as api:
        with api.product.get_box_build_template(*PART) as template:
            template.add_subunit("PN-00004", "A", quantity=3, revision_mask="A%")
        return [template, api.product.get_box_build_subunits(*PART)]


def box_build_given_up(setting: Setting) -> Any:
    with setting.client() as api:

        def leave() -> None:
            with api.product.get_box_build_template(*PART) as template:
                template.add_subunit("PN-00005", "A")
                raise KeyError("given up")

        return [outcome_of(leave)[1], api.product.get_box_build_subunits(*PART)]


def pages(setting: Setting) -> Any:
    with setting.client() as api:
        how: dict[str, Any] = {
            "fetch_page": lambda start, count: api.scim.get_users(start_index=start, count=count),
            "get_items": lambda page: page.resources or [],
            "get_total": lambda page: page.total_results,
        }
        turned: list[Any] = []
        return [
            list(paginate(**how, page_size=2, on_page=lambda *seen: turned.append(seen))),
            paginate_all(**how, page_size=3, max_items=4),
            list(Paginator(**how).iterate(page_size=1, max_items=2)),
            turned,
        ]


def pages_of_headers(setting: Setting) -> Any:
    with setting.client() as api:
        return paginate_all(
            lambda skip, top: api.report.query_headers(top=top, skip=skip, orderby="start"),
            get_items=lambda page: page,
            page_size=7,
            start_index=0,
            max_items=20,
        )


def parallel_with_one_worker(setting: Setting) -> Any:
    with setting.client() as api:
        keys = ["PN-00001", "PN-MISSING", "PN-00002"]
        return parallel_execute(keys, api.product.get_product, max_workers=1)


def parallel_without_a_server(_: Setting) -> Any:
    def odd(number: int) -> int | None:
        if number == 3:
            raise ValueError("three")
        return None if number == 4 else number

    return parallel_execute(list(range(6)), odd, max_workers=3)


def users_one_by_one(setting: Setting) -> Any:
    with setting.client() as api:
        turned: list[Any] = []
        users = api.scim.iter_users(page_size=2, max_users=3, on_page=lambda *at: turned.append(at))
        return [[user.id for user in users], turned]


def closed_and_used_again(setting: Setting) -> Any:
    api = setting.client()
    first = api.product.get_product("PN-00001")
    api.close()
    second = api.product.get_product("PN-00002")
    api.close()
    api.close()
    return [first == second, second]


def what_a_client_says(setting: Setting) -> Any:
    with setting.client() as api:
        client = private(api)._http_client
        return [
            repr(api), api.base_url, api.timeout, str(api.error_mode), api.test_connection(),
            api.get_version(), api.station, api.retry_config.enabled,
            client.base_url, client.timeout, client.cache_enabled,
        ]  # fmt: skip


def connection_test_without_a_server(setting: Setting) -> Any:
    with setting.client(base_url=setting.refused) as api:
        return [api.test_connection(), outcome_of(api.get_version)[1]["raised"]["type"]]


def password_in_the_base_url(setting: Setting) -> Any:
    pair = base64.b64decode(setting.token).decode()
    url = setting.url.replace("://", f"://{pair}@")
    with setting.client(base_url=url, token="not-sent") as api:
        return [
            len(api.process.get_repair_operation_configs()),
            len(api.base_url) - len(setting.url),
        ]


def changed_timeout(setting: Setting) -> Any:
    with setting.client(sync_config=SyncConfig(timeout=None), timeout=1.0) as api:
        api.get_version()
        private(api)._http_client.timeout = 0.2
        setting.control.send("fail", route="*", mode="delay", delay=0.5)
        return outcome_of(lambda: api.product.get_product("PN-00001"))[1]


def timeout_set_on_the_client(setting: Setting) -> Any:
    with setting.client() as api:
        api.timeout = 7
        return [api.timeout, private(api)._http_client.timeout, private(api)._sync_config.timeout]


def service_properties(setting: Setting) -> Any:
    with setting.client() as api:
        process = private(api.process)
        before = [process.cache_stats, process.last_refresh, process.cache_ttl]
        process.get_processes()
        process.refresh_interval = 10
        after = [process.cache_stats, process.last_refresh is None]
        return [before, after, process.DEFAULT_TEST_PROCESS_CODE, repr(api.process)[:13]]


def cache_of_the_client(setting: Setting) -> Any:
    with setting.client() as api:
        client, run = private(api)._http_client, private(pywats_module)._run_sync
        read = api.product.get_product
        seen = [run(client.get("/api/Product/PN-00001")) for _ in range(2)]
        read("PN-00002")
        run(client.invalidate_cache("/api/Product/PN-00001"))
        seen += [run(client.get("/api/Product/PN-00001")), read("PN-00002")]
        api.product.update_product(seen[-1])
        seen.append(read("PN-00002"))
        run(client.clear_cache())
        return [*seen, run(client.get("/api/Product/PN-00001"))]


def size_of_the_cache(setting: Setting) -> Any:
    with setting.client() as api:
        api.product.get_product("PN-00001")
        return [private(api)._http_client.cache.size, private(api)._http_client.cache_enabled]


def caches_of_a_short_life(setting: Setting) -> Any:
    with setting.client(cache_ttl=0.0, cache_max_size=1) as api:
        return [api.product.get_product(part) for part in ("PN-00001", "PN-00001", "PN-00002")]


def traces(setting: Setting) -> Any:
    with setting.client(enable_cache=False) as api:
        client = private(api)._http_client

        async def traced() -> Any:
            async with client.capture_traces() as found:
                await client.get("/api/Product/PN-00001", params={"a": [1], "b": None})
                await client.post("/api/Report/WSXF", data="<x/>")
                await client.put("/api/Product", data={"partNumber": "PN-T", "name": "n" * 20_000})
            await client.get("/api/App/Version")
            return found

        return private(pywats_module)._run_sync(traced())


def traces_of_the_plain_client(setting: Setting) -> Any:
    client = HttpClient(setting.url, setting.token)
    try:
        with client.capture_traces() as found:
            client.get("/api/Product/PN-00001", params={"a": [1], "b": None})
            client.post("/api/Report/WSXF", data=b"<x/>")
        client.get("/api/App/Version")
        return found
    finally:
        client.close()


def log_of_a_retry(setting: Setting) -> Any:
    retry = RetryConfig(base_delay=0.01, jitter=False)
    with setting.client(retry_config=retry) as api, _log() as records:
        setting.control.send("fail", route="*", mode="status", status=503, times=2)
        product = api.product.get_product("PN-00001")
        return [product, records, retry._total_retries]


def correlation_ids(setting: Setting) -> Any:
    with setting.client() as api:
        client, seen = private(api)._http_client, []
        original = client._execute_request

        async def spied(*args: Any, **kwargs: Any) -> Any:
            seen.append(private(pywats_module).correlation_id_var.get())
            return await original(*args, **kwargs)

        client._execute_request = spied
        api.product.get_product("PN-00001")
        api.product.get_product("PN-00002")
        api.process.get_processes()
        return [
            [len(i) for i in seen],
            len(set(seen)),
            private(pywats_module).correlation_id_var.get(),
        ]


def without_correlation_ids(setting: Setting) -> Any:
    with setting.client(sync_config=SyncConfig(correlation_id_enabled=False)) as api:
        return [api.get_version(), private(pywats_module).correlation_id_var.get()]


def install_a_package(setting: Setting) -> Any:
    if PackageManifest is None:
        return None
    from pywats.domains.software.installer import PackageInstaller

    with setting.client() as api:
        service = private(api.software)._async
        service._manifest = PackageManifest(setting.folder / "manifest.json")
        service._installer = PackageInstaller(service._repository, service._manifest)
        turned: list[Any] = []
        packages = api.software.get_packages()
        root = setting.folder / "root"
        results = api.software.install_many(packages[:2], root, lambda *at: turned.append(at))
        again = api.software.install(packages[0], root)
        return [
            results, again, turned, sorted(root.rglob("*")), api.software.check_for_updates(),
            outcome_of(lambda: api.software.cleanup_revoked(root))[1],
            (setting.folder / "manifest.json").exists(),
        ]  # fmt: skip


def two_clients_two_tokens(setting: Setting) -> Any:
    with setting.client() as mine, setting.client(token="d3Jvbmc=") as yours:
        part = "PN-00001"
        return [
            mine.product.get_product(part),
            outcome_of(lambda: yours.product.get_product(part))[1],
            outcome_of(lambda: yours.report.submit({}))[1],
            mine.product.get_product(part),
        ]


def breaker_of_a_service(setting: Setting) -> Any:
    with setting.client(base_url=setting.refused) as api:
        outcomes = [outcome_of(lambda: api.product.get_product("PN-00001"))[1] for _ in range(7)]
        return [[outcome["raised"]["type"] for outcome in outcomes], outcomes[-1]]


def retried_calls(setting: Setting) -> Any:
    config = SyncConfig(timeout=0.6, retry_enabled=True)
    config.retry.backoff, config.retry.max_retries = 0.01, 2
    with setting.client(sync_config=config, enable_cache=False) as api:
        setting.control.send("fail", route="*", mode="hang", times=2)
        return [api.product.get_product("PN-00001"), api.get_version()]


def foreign_errors_pass_through(setting: Setting) -> Any:
    with setting.client() as api:

        class Odd(BaseException):
            pass

        async def raising(*_: Any, **__: Any) -> Any:
            raise Odd("as it is")

        private(api)._http_client._execute_request = raising
        try:
            api.product.get_product("PN-00001")
        except Odd as odd:
            return [str(odd), private(api)._http_client._circuit_breaker._failure_count]
        raise PyWATSError("swallowed")


@contextmanager
def _log() -> Iterator[list[Any]]:
    records: list[Any] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append([record.name, record.levelname, record.getMessage()])

    logger, handler = logging.getLogger("pywats"), Keeping(logging.INFO)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield records
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def revisions_in_bulk(setting: Setting) -> Any:
    """With the setting that sends them in one request, which upstream lacks."""
    ours = sys.modules.get("pywats_green")
    if ours is not None:
        ours.configure(bulk_writes=True)
    try:
        with setting.client() as api:
            revisions = [
                ProductRevision(part_number=f"PN-{number:05d}", revision=name, name="bulk")
                for number in range(1, 5)
                for name in "AX"
            ]
            return [api.product.bulk_save_revisions(revisions), api.product.get_product(PART[0])]
    finally:
        if ours is not None:
            ours.configure(bulk_writes=False)


FLOWS: tuple[Callable[[Setting], Any], ...] = (
    box_build_by_hand,
    box_build_in_a_block,
    box_build_given_up,
    pages,
    pages_of_headers,
    parallel_with_one_worker,
    parallel_without_a_server,
    users_one_by_one,
    closed_and_used_again,
    what_a_client_says,
    connection_test_without_a_server,
    password_in_the_base_url,
    changed_timeout,
    timeout_set_on_the_client,
    service_properties,
    cache_of_the_client,
    size_of_the_cache,
    caches_of_a_short_life,
    traces,
    traces_of_the_plain_client,
    log_of_a_retry,
    correlation_ids,
    without_correlation_ids,
    install_a_package,
    two_clients_two_tokens,
    breaker_of_a_service,
    retried_calls,
    foreign_errors_pass_through,
    revisions_in_bulk,
)
