"""`bulk_writes`: upstream's loops of writes, through real pywats and the embedded server."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from pywats import AsyncWATS, pyWATS
from pywats.core.client import Response
from pywats.core.exceptions import ErrorMode, NotFoundError, PyWATSError, ServerError
from pywats.domains.product import ProductRevision
from typed import present, private
from waiting import until

from pywats_green import Pool, batching, configure
from pywats_green.testing import WatsServer
from upstream.lookups import Counts, greenlets, outcome

ONE = "PUT /api/Product/Revision"
MANY = "PUT /api/Product/Revisions"
ADD = "POST /api/internal/Product/PostProductRevisionRelation"
CHANGE = "PUT /api/internal/Product/PutProductRevisionRelation"
DELETE = "DELETE /api/internal/Product/DeleteProductRevisionRelation"


@pytest.fixture(autouse=True)
def bulk_writes() -> Iterator[None]:
    configure(bulk_writes=True)
    yield
    configure(bulk_writes=False)


def revision(number: int, **values: Any) -> ProductRevision:
    return ProductRevision(
        **{"part_number": f"PN-{number:05d}", "revision": "C", "name": f"n{number}", **values}
    )


def one_by_one(api: pyWATS, revisions: list[ProductRevision]) -> Any:
    """Return the outcome of upstream's own loop."""
    configure(bulk_writes=False)
    try:
        return outcome(lambda: dumped(api.product.bulk_save_revisions(revisions)))
    finally:
        configure(bulk_writes=True)


def dumped(revisions: list[ProductRevision]) -> list[dict[str, Any]]:
    return [each.model_dump(exclude={"product_revision_id"}) for each in revisions]


# --- revisions ----------------------------------------------------------------------------------


def test_revisions_go_in_one_request(api: pyWATS, server: WatsServer, counts: Counts) -> None:
    revisions = [revision(number) for number in range(40)]
    expected = one_by_one(api, revisions)
    assert counts.new() == {ONE: 40}
    server.reset()
    counts.new()
    saved = api.product.bulk_save_revisions(revisions)
    assert counts.new() == {MANY: 1}
    assert dumped(saved) == expected
    assert all(each.product_revision_id for each in saved)
    for each in saved:
        assert api.product.get_revision(present(each.part_number), "C") == each


def test_it_is_off_unless_it_is_set(api: pyWATS, counts: Counts) -> None:
    configure(bulk_writes=False)
    api.product.bulk_save_revisions([revision(1), revision(2)])
    with api.product.get_box_build_template("PN-00001", "A") as template:
        template.add_subunit("PN-00002", "A")
    assert counts.new()[ONE] == 2


def test_very_many_revisions_go_in_several(api: pyWATS, counts: Counts) -> None:
    saved = api.product.bulk_save_revisions([revision(number) for number in range(250)])
    assert [each.part_number for each in saved] == [f"PN-{number:05d}" for number in range(250)]
    assert counts.new() == {MANY: 3}


def test_none_and_one_are_as_upstream(api: pyWATS, counts: Counts) -> None:
    assert api.product.bulk_save_revisions([]) == []
    assert len(api.product.bulk_save_revisions([revision(1)])) == 1
    assert counts.new() == {ONE: 1}


def test_what_is_there_twice_goes_singly(api: pyWATS, server: WatsServer, counts: Counts) -> None:
    revisions = [revision(1, name="first"), revision(2), revision(1, name="second")]
    expected = one_by_one(api, revisions)
    server.reset()
    counts.new()
    saved = api.product.bulk_save_revisions(revisions)
    assert counts.new() == {ONE: 3}
    assert dumped(saved) == expected
    assert [each.name for each in saved] == ["first", "n2", "second"]


def test_spellings_that_may_be_the_same_go_singly(api: pyWATS, counts: Counts) -> None:
    api.product.bulk_save_revisions([revision(1), revision(1, revision="c")])
    assert counts.new() == {ONE: 2}


def test_what_reads_after_it_is_fresh(server: WatsServer) -> None:
    with pyWATS(base_url=server.url, token=server.token) as api:
        assert len(present(api.product.get_product("PN-00001")).revisions) == 2
        api.product.bulk_save_revisions([revision(1), revision(2)])
        assert len(present(api.product.get_product("PN-00001")).revisions) == 3


@pytest.mark.parametrize("mode", list(ErrorMode))
def test_one_that_is_refused_is_upstreams_error(server: WatsServer, mode: ErrorMode) -> None:
    revisions = [revision(1), revision(2, part_number="missing"), revision(3)]
    with pyWATS(
        base_url=server.url, token=server.token, error_mode=mode, enable_cache=False
    ) as api:
        expected = one_by_one(api, revisions)
        server.reset()
        assert outcome(lambda: dumped(api.product.bulk_save_revisions(revisions))) == expected
        assert len(present(api.product.get_product("PN-00001")).revisions) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 405, 413, 429, 500, 503])
def test_a_refused_bulk_request_falls_back_to_the_loop(
    api: pyWATS, server: WatsServer, counts: Counts, status: int
) -> None:
    server.fail(MANY, status)
    saved = api.product.bulk_save_revisions([revision(number) for number in range(5)])
    assert [each.part_number for each in saved] == [f"PN-{number:05d}" for number in range(5)]
    assert counts.new() == {MANY: 1, ONE: 5}


def test_what_fails_after_it_fails_as_upstream(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    server.fail("PUT /api/Product/Revision*", 503, times=None)
    with pytest.raises(ServerError) as caught:
        api.product.bulk_save_revisions([revision(number) for number in range(5)])
    assert caught.value.response.status_code == 503  # type: ignore[attr-defined]
    assert counts.new() == {MANY: 1, ONE: 1}


@pytest.mark.parametrize(("mode", "status"), [("html", None), ("status", 204), ("status", 200)])
def test_an_answer_that_tells_too_little_is_not_taken(
    api: pyWATS, server: WatsServer, counts: Counts, mode: str, status: int | None
) -> None:
    server.fail(MANY, status, mode=mode)
    saved = api.product.bulk_save_revisions([revision(1), revision(2)])
    assert [each.part_number for each in saved] == ["PN-00001", "PN-00002"]
    assert counts.new() == {MANY: 1, ONE: 2}


def test_an_error_of_the_loop_does_not_bear_the_answer_of_the_bulk_request(
    api: pyWATS, server: WatsServer
) -> None:
    server.fail(MANY, 400)
    server.fail(ONE, mode="reset")
    with pytest.raises(PyWATSError) as caught:
        api.product.bulk_save_revisions([revision(1), revision(2)])
    assert not hasattr(caught.value, "response")


def reversed_rows(response: Response) -> Response:
    return response.model_copy(update={"data": response.data[::-1]})


def one_row_less(response: Response) -> Response:
    return response.model_copy(update={"data": response.data[:-1]})


def refused(response: Response) -> Response:
    return response.model_copy(update={"status_code": 500})


@pytest.mark.parametrize("spoil", [reversed_rows, one_row_less, refused])
def test_an_answer_in_another_order_or_number_is_not_taken(
    api: pyWATS,
    counts: Counts,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Response], Response],
) -> None:
    client = private(api)._http_client
    put = client.put

    async def spoiled(endpoint: str, *args: Any, **kwargs: Any) -> Response:
        response = await put(endpoint, *args, **kwargs)
        return spoil(response) if endpoint == "/api/Product/Revisions" else response

    monkeypatch.setattr(client, "put", spoiled)
    saved = api.product.bulk_save_revisions([revision(1), revision(2)])
    assert [each.part_number for each in saved] == ["PN-00001", "PN-00002"]
    assert counts.new() == {MANY: 1, ONE: 2}


def test_a_broken_connection_is_not_the_loops_start(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    server.fail(MANY, mode="reset")
    with pytest.raises(PyWATSError):
        api.product.bulk_save_revisions([revision(1), revision(2)])
    assert counts.new() == {MANY: 1}


def test_async_wats_is_untouched(server: WatsServer, counts: Counts) -> None:
    async def save() -> Any:
        async with AsyncWATS(base_url=server.url, token=server.token) as api:
            template = await api.product.get_box_build_template("PN-00001", "A")
            await template.add_subunit("PN-00002", "A")
            await template.add_subunit("PN-00003", "A")
            await template.save()
            return await api.product.bulk_save_revisions([revision(1), revision(2)])

    assert len(asyncio.run(save())) == 2
    asked = counts.new()
    assert (asked[ONE], asked[ADD]) == (2, 2)
    assert server.stats()["highest_concurrency"] == 1


# --- box builds ---------------------------------------------------------------------------------


def pending(template: Any) -> dict[str, Any]:
    """Return the relations of a template, without the ids assigned by the server."""
    inner = template._async
    return {
        "delete": len(inner._to_delete),
        **{
            name: [
                {**each.model_dump(), "relation_id": each.relation_id is not None}
                for each in getattr(inner, f"_{name}")
            ]
            for name in ("relations", "to_update", "to_add")
        },
    }


def template_of(api: pyWATS, parts: int = 6) -> Any:
    """Return a template with relations on the server and all kinds of pending changes."""
    configure(bulk_writes=False)
    template = api.product.get_box_build_template("PN-00001", "A")
    for number in range(10, 10 + parts):
        template.add_subunit(f"PN-{number:05d}", "A", quantity=number)
    template.save()
    template.remove_subunit("PN-00010", "A").remove_subunit("PN-00011", "A")
    template.update_subunit("PN-00012", "A", quantity=50)
    template.update_subunit("PN-00013", "A", item_number="7")
    for number in range(20, 25):
        template.add_subunit(f"PN-{number:05d}", "A", quantity=2, revision_mask="A%")
    configure(bulk_writes=True)
    return template


def test_a_box_build_is_saved_at_once(api: pyWATS, server: WatsServer, counts: Counts) -> None:
    seen = []
    for bulk in (False, True):
        server.reset()
        template = template_of(api)
        configure(bulk_writes=bulk)
        server.configure(latency=0.3 if bulk else 0.0)
        counts.new()
        assert template.save() is template
        assert counts.new() == {DELETE: 2, CHANGE: 2, ADD: 5}
        assert not template.has_pending_changes
        stored = pending(api.product.get_box_build_template("PN-00001", "A"))["relations"]
        seen.append((pending(template), sorted(stored, key=str)))
        assert server.stats()["highest_concurrency"] in ({2, 3, 4, 5} if bulk else {1})
    assert seen[0] == seen[1]
    assert len(seen[0][1]) > 5


def test_deletions_end_before_updates_and_these_before_additions(
    api: pyWATS, server: WatsServer
) -> None:
    template = template_of(api)
    server.clear_requests()
    template.save()
    sent = [request.method for request in server.requests()]
    assert sent == ["DELETE"] * 2 + ["PUT"] * 2 + ["POST"] * 5


def test_nothing_pending_sends_nothing(api: pyWATS, counts: Counts) -> None:
    template = api.product.get_box_build_template("PN-00001", "A")
    counts.new()
    assert template.save() is template
    assert counts.new() == {}


@pytest.mark.parametrize("route", [DELETE, CHANGE, ADD])
def test_a_failure_is_upstreams_and_leaves_pending_what_upstream_leaves(
    api: pyWATS, server: WatsServer, route: str
) -> None:
    seen = []
    for bulk in (False, True):
        server.reset()
        template = template_of(api)
        server.fail(route, 500, times=None)
        configure(bulk_writes=bulk)
        with pytest.raises(ServerError) as caught:
            template.save()
        assert caught.value.response.status_code == 500  # type: ignore[attr-defined]
        seen.append((str(caught.value), pending(template)))
    assert seen[0] == seen[1]


def test_the_first_failure_in_upstreams_order_is_raised(api: pyWATS) -> None:
    template = template_of(api)
    gone = [str(each) for each in template._async._to_delete]
    configure(bulk_writes=False)
    other = api.product.get_box_build_template("PN-00001", "A")
    other.remove_subunit("PN-00011", "A").save()
    configure(bulk_writes=True)
    with pytest.raises(NotFoundError, match=gone[1]):
        template.save()
    assert len(template._async._to_delete) == 2


def test_after_a_failure_no_more_is_started(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    configure(bulk_writes=False)
    template = api.product.get_box_build_template("PN-00001", "A")
    for number in range(100, 160):
        template.add_subunit(f"PN-{number:05d}", "A")
    configure(bulk_writes=True)
    counts.new()
    server.fail(ADD, 500, times=None)
    with pytest.raises(ServerError):
        template.save()
    assert counts.new()[ADD] <= 20
    assert len(private(template)._async._to_add) == 60


def test_the_deadline_of_the_call_counts(server: WatsServer) -> None:
    with pyWATS(base_url=server.url, token=server.token, timeout=0.3, enable_cache=False) as api:
        template = template_of(api)
        server.fail(CHANGE, mode="hang", times=None)
        with pytest.raises(TimeoutError, match="timed out after 0.3s"):
            template.save()
        state = pending(template)
        assert (state["delete"], len(state["to_update"]), len(state["to_add"])) == (0, 2, 5)


def test_whoever_is_killed_leaves_nothing_running(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    template = template_of(api)
    server.fail(DELETE, mode="hang", times=None)
    counts.new()
    before = greenlets()
    saving = gevent.spawn(template.save)
    until(lambda: DELETE in counts.new())
    saving.kill()
    until(lambda: greenlets() <= before)  # earlier tests' may end meanwhile
    assert CHANGE not in counts.new()
    assert len(private(template)._async._to_add) == 5


def test_a_block_that_ends_saves(api: pyWATS, counts: Counts) -> None:
    with api.product.get_box_build_template("PN-00001", "A") as template:
        template.add_subunit("PN-00002", "A").add_subunit("PN-00003", "A")
    assert counts.new()[ADD] == 2
    names = [each.child_part_number for each in api.product.get_box_build_subunits("PN-00001", "A")]
    assert {"PN-00002", "PN-00003"} <= set(names)


def test_many_subunits_added_through_a_pool(api: pyWATS, counts: Counts) -> None:
    names = [f"PN-{number:05d}" for number in range(2, 38)]
    template = api.product.get_box_build_template("PN-00001", "A")
    had = len(template.subunits)
    counts.new()
    with batching():
        Pool(50).map(lambda name: template.add_subunit(name, "A"), names)
    assert sum(counts.new().values()) == 3
    assert len(template.subunits) == had + 36
    template.save()
    assert counts.new() == {ADD: 36}
