"""Sends upstream's loops of writes in bulk or concurrently, if `bulk_writes` is set.

Upstream's loops still run, against a stand-in for their repository that returns the answers one by
one. So order, results, errors and what is left pending remain upstream's.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import wraps
from itertools import groupby
from types import SimpleNamespace
from typing import Any, NamedTuple

from pywats.core.routes import Routes
from pywats.domains.product.models import ProductRevision

from pywats_green.bridge import MAY_BLOCK
from pywats_green.config import settings
from pywats_green.pool import Pool, Raised
from pywats_green.upstream.client.green import GreenHttpClient
from pywats_green.upstream.client.outcome import refusal
from pywats_green.upstream.hooks.calls import run_sync


class RepositoryCall(NamedTuple):
    """A call to a repository."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


_MOST = 100  # revisions per request: a few hundred kilobytes, far below IIS' limits
_AT_ONCE = 10


def revision_saver(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `AsyncProductService.bulk_save_revisions`: one request instead of one per revision."""

    @wraps(original)
    async def bulk_save_revisions(
        self: Any, revisions: Sequence[ProductRevision]
    ) -> list[ProductRevision]:
        if not _applies(self._repository):
            return await original(self, revisions)  # type: ignore[no-any-return]
        revisions = list(revisions)
        service = copy.copy(self)
        if _are_different(revisions):
            service._repository = _BulkSaved(self._repository, revisions)
        return await original(service, revisions)  # type: ignore[no-any-return]

    return bulk_save_revisions


def box_build_saver(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `AsyncBoxBuildTemplate.save`: the requests of each of its three steps run at once."""

    @wraps(original)
    async def save(self: Any) -> Any:
        repository = self._service._repository
        if not _applies(repository):
            return await original(self)
        played = _played_by(self, _AtOnce(repository, await _rehearse(original, self)).answer)
        try:
            await original(played)
        finally:
            self._relations = played._relations
        return self

    return save


def _applies(repository: Any) -> bool:
    return settings().bulk_writes and isinstance(repository._http_client, GreenHttpClient)


def _are_different(revisions: Sequence[Any]) -> bool:
    """Return whether there are several and no duplicates; upstream returns each duplicate."""
    if len(revisions) < 2 or not all(isinstance(each, ProductRevision) for each in revisions):  # noqa: PLR2004
        return False
    names = {
        ((each.part_number or "").casefold(), each.product_id, each.revision.casefold())
        for each in revisions
    }
    return len(names) == len(revisions)


class _BulkSaved:
    """Stands in for the repository while revisions are saved.

    Args:
        repository: The real repository.
        revisions: All revisions to be saved, in order.
    """

    def __init__(self, repository: Any, revisions: Sequence[ProductRevision]) -> None:
        self._repository = repository
        self._unsent = deque(revisions)
        self._answers: deque[ProductRevision | None] = deque()

    async def save_revision(self, revision: ProductRevision) -> Any:
        """Return what a request for this revision would; the first of a chunk sends the chunk."""
        if not self._answers:
            part = [self._unsent.popleft() for _ in range(min(_MOST, len(self._unsent)))]
            self._answers.extend(await self._send(part))
        answer = self._answers.popleft()
        return answer or await self._repository.save_revision(revision)

    async def _send(self, part: Sequence[ProductRevision]) -> Sequence[ProductRevision | None]:
        """Save several revisions with one request.

        Returns:
            What was saved, in order; all None if the answer is in any doubt. Saving a revision
            again does no harm, and gives the result or error of the loop.
        """
        payload = [each.model_dump(by_alias=True, exclude_none=True, mode="json") for each in part]
        response = await self._repository._http_client.put(Routes.Product.REVISIONS, data=payload)
        refusal.set(None)  # the user did not make this request
        try:
            saved = [ProductRevision.model_validate(each) for each in response.data]
        except (TypeError, ValueError):
            saved = []
        if response.is_success and len(saved) == len(part) and all(map(_is_same, part, saved)):
            return saved
        return [None] * len(part)


def _is_same(sent: ProductRevision, saved: ProductRevision) -> bool:
    return (
        saved.revision == sent.revision
        and sent.part_number in (None, saved.part_number)
        and sent.product_id in (None, saved.product_id)
    )


class _StandIn:
    """Stands in for a repository: has every method, each answered by one function."""

    def __init__(self, answer: Callable[[RepositoryCall], Awaitable[Any]]) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        return lambda *args, **kwargs: self._answer(RepositoryCall(name, args, kwargs))


async def _rehearse(save: Callable[[Any], Awaitable[Any]], template: Any) -> list[RepositoryCall]:
    """Return the calls that `save` will make, in order, without sending or changing anything."""
    calls: list[RepositoryCall] = []

    async def note(call: RepositoryCall) -> None:
        calls.append(call)

    rehearsing = _played_by(template, note)
    for name in ("_to_delete", "_to_update", "_to_add"):
        setattr(rehearsing, name, list(getattr(template, name)))
    await save(rehearsing)
    return calls


def _played_by(template: Any, answer: Callable[[RepositoryCall], Awaitable[Any]]) -> Any:
    """Return a copy of a template that shares its pending changes but uses a stand-in."""
    played = copy.copy(template)
    played._service = SimpleNamespace(_repository=_StandIn(answer))
    return played


class _AtOnce:
    """Answers calls; those of one step (deletions, updates, additions) run concurrently.

    Args:
        repository: The real repository.
        calls: All calls, in order.
    """

    def __init__(self, repository: Any, calls: Iterable[RepositoryCall]) -> None:
        self._repository = repository
        self._steps = [list(step) for _, step in groupby(calls, lambda call: call.name)]
        self._results: deque[Any] = deque()

    async def answer(self, _: RepositoryCall) -> Any:
        """Return or raise the outcome of the next call; the first of a step runs the step."""
        if not self._results:
            await MAY_BLOCK
            self._results.extend(Pool(_AT_ONCE).settle(self._maker(), self._steps.pop(0)))
        result = self._results.popleft()
        if isinstance(result, Raised):
            raise result.error
        return result

    def _maker(self) -> Callable[[RepositoryCall], Any]:
        """Return a function that makes the calls of a step, until one fails.

        Calls start in order, so all those before the first failure have been made.
        """
        has_failed = False

        def make(call: RepositoryCall) -> Any:
            nonlocal has_failed
            if has_failed:
                return None
            try:
                return run_sync(getattr(self._repository, call.name)(*call.args, **call.kwargs))
            except BaseException:
                has_failed = True
                raise

        return make
