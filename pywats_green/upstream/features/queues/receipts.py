"""Lets a report count as delivered only where WATS said so, if it is pywats that submits it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pywats_green.config import accepts_any_2xx
from pywats_green.exceptions import ForeignAnswerError, InvalidArgumentError
from pywats_green.queue.drain.answers import first_words, is_receipt

if TYPE_CHECKING:
    from pywats.core.client import Response

Accept: TypeAlias = "Callable[[Response], bool]"

# Where the blocking methods of a service are made: by us, and by upstream where we are off.
_MAKERS = frozenset({"pywats_green.upstream.hooks.calls", "pywats.pywats"})


class Way(NamedTuple):
    """How pywats sends a report.

    Attributes:
        client: Its HTTP client.
        xml: Whether the report goes as WSXF.
    """

    client: Any
    xml: bool


def any_2xx(answer: Response) -> bool:
    """Take every 2xx for a receipt: `--accept any-2xx`."""
    return answer.is_success


def requiring_receipt(
    submit: Callable[[Any], object], given: object, accept: Accept | None
) -> Callable[[Any], object]:
    """Make a submission fail where its answer is no receipt.

    Args:
        submit: Sends one report.
        given: What the user gave as `submit`. Only a `pyWATS` and a bound `submit*` method of its
            report service are judged; of any other callable each return means accepted.
        accept: Takes the place of the rule. None: the rule, or what PYWATS_GREEN_ACCEPT says.

    Returns:
        What sends one report and raises `ForeignAnswerError`.

    Raises:
        InvalidArgumentError: `accept` cannot be called, or would never be asked.
        SettingsError: PYWATS_GREEN_ACCEPT does not fit.
    """
    if accept is not None and not callable(accept):
        raise InvalidArgumentError(f"accept must be callable, not {accept!r}")
    way = _way_of(given)
    if accept is None and accepts_any_2xx(os.environ):
        accept = any_2xx
    elif accept is not None and way is None:
        raise InvalidArgumentError(
            "accept judges the answers to a pyWATS or to a submit method of its report service; "
            f"{given!r} has to raise an exception where a report was not accepted"
        )
    if way is None:
        return submit

    def submit_for_receipt(report: Any) -> None:
        value = submit(report)
        from pywats_green.upstream.client.outcome import submission_answer  # noqa: PLC0415

        answer = submission_answer.get() or _as_returned(value)
        _require(answer, accept, way)

    return submit_for_receipt


def _require(answer: Response, accept: Accept | None, way: Way) -> None:
    """Raise unless an answer is a receipt."""
    said = first_words(answer.raw, way.client.token) or "an empty body"
    reason = f"HTTP {answer.status_code}: {said}"
    try:
        # A lenient client returns from a 404 as well.
        is_accepted = answer.is_success and (
            is_receipt(answer.raw, xml=way.xml) if accept is None else accept(answer)
        )
    except Exception as exc:
        # It would fail for every report alike, so none may be set aside for it.
        raise ForeignAnswerError(
            f"accept failed with {type(exc).__name__} for {reason}", answer
        ) from exc
    if not is_accepted:
        raise ForeignAnswerError(reason, answer)


def _way_of(submit: Any) -> Way | None:
    """Return how pywats sends; None: it is not for pywats alone to send."""
    if "pywats" not in sys.modules:
        return None  # then it can be neither
    from pywats import pyWATS  # noqa: PLC0415
    from pywats.domains.report import AsyncReportService  # noqa: PLC0415

    if isinstance(submit, pyWATS):
        return Way(submit._http_client, xml=False)  # type: ignore[attr-defined]
    method = submit
    # `functools.wraps` copies names and marks, but not the module that a function lives in: a
    # wrapper of the user's own stays one.
    while getattr(method, "__globals__", {}).get("__name__") in _MAKERS:
        method = method.__wrapped__
    service = getattr(method, "__self__", None)
    if (
        method is submit
        or not isinstance(service, AsyncReportService)
        or not method.__name__.startswith("submit")
    ):
        return None
    return Way(service._repository._http_client, xml=method.__name__.endswith("xml"))


def _as_returned(value: object) -> Response:
    """Return the answer as far as the return tells, for a client that is not green.

    Upstream returns the text of a page as if it were an id; an id has no blanks.
    """
    from pywats.core.client import Response  # noqa: PLC0415

    text = "" if value is None else str(value)
    is_word = len(text.split()) == 1 and "<" not in text
    raw = json.dumps(text) if is_word else text
    return Response(status_code=200, data=value, raw=raw.encode())
