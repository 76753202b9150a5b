"""Submits a report, bypassing the circuit breaker; only a receipt counts as delivery."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pywats_green.config import accepts_any_2xx, environment
from pywats_green.exceptions import ArgumentTypeError, ForeignAnswerError, InvalidArgumentError
from pywats_green.queue.drain.answers import first_words, is_receipt
from pywats_green.queue.folder.body import as_text, is_large
from pywats_green.transport import sent_token

if TYPE_CHECKING:
    from pywats.core.client import Response

Accept: TypeAlias = "Callable[[Response], bool]"

# Modules that make the blocking methods of a service: green's, and upstream's.
_MAKERS = frozenset({"pywats_green.upstream.hooks.calls", "pywats.pywats"})


class Way(NamedTuple):
    """How pywats sends a report.

    Attributes:
        client: Its HTTP client.
        xml: Whether the report is sent as WSXF.
    """

    client: Any
    xml: bool


def any_2xx(answer: Response) -> bool:
    """Accept every 2xx as a receipt: `--accept any-2xx`."""
    return answer.is_success


def submission(submit: Any, accept: Accept | None = None) -> Callable[[Any], object]:
    """Return a function that sends one report and raises unless it was accepted.

    Args:
        submit: A `pyWATS` or a callable. Only the answers to a `pyWATS`, or to a bound `submit*`
            method of its report service, are judged; with any other callable, returning means
            accepted.
        accept: Replaces the rule for receipts. None: the rule, unless PYWATS_GREEN_ACCEPT
            overrules it.

    Raises:
        ArgumentTypeError: `submit` or `accept` cannot be called, or is asynchronous.
        InvalidArgumentError: `accept` would never be asked.
        SettingsError: PYWATS_GREEN_ACCEPT has an unknown value.
    """
    if accept is not None:
        _blocking("accept", accept)
    send = _past_the_breaker(_submitter(submit))
    way = _way_of(submit)
    if accept is None and accepts_any_2xx(environment()):
        accept = any_2xx
    elif accept is not None and way is None:
        raise InvalidArgumentError(
            "accept judges the answers to a pyWATS or to a submit method of its report service; "
            f"{submit!r} must raise an exception itself if a report was not accepted"
        )
    return send if way is None else _requiring_receipt(send, accept, way)


def _submitter(submit: Any) -> Callable[[Any], object]:
    if callable(submit):
        return _blocking("submit", submit)
    service = getattr(submit, "report", None)
    _blocking("submit", getattr(service, "submit_report", submit))
    return lambda report: submit.report.submit_report(_light(report))  # opens it when needed


def _light(report: Any) -> Any:
    """Encode a large report before the client would, which would stop all other greenlets."""
    if isinstance(report, dict) and is_large(report):
        return as_text(report)
    return report


def _blocking(name: str, given: Any) -> Callable[[Any], object]:
    """Reject what is not callable, and what is asynchronous."""
    if inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(
        getattr(given, "__call__", None)  # noqa: B004  # an object whose call is asynchronous
    ):
        raise ArgumentTypeError(f"{name} must block until it knows; {given!r} is asynchronous")
    if not callable(given):
        what = "a pyWATS or a callable" if name == "submit" else "a callable"
        raise ArgumentTypeError(f"{name} must be {what}, not {given!r}")
    return given  # type: ignore[no-any-return]


def token_of(submit: Any) -> str:
    """Return the token of a submission, to redact it from reasons. "": none is known."""
    way = _way_of(submit)
    return "" if way is None else sent_token(way.client.base_url, way.client.token)


def origin_cause_of(submit: Any) -> Callable[[], str | None]:
    """Return a function that returns why no requests at all are sent to a submission's server.

    It returns None as long as requests are sent, and always if the client is not known.
    """
    way = _way_of(submit)
    if way is None:
        return lambda: None
    from pywats_green.upstream.client.gates import closed_because  # noqa: PLC0415

    def cause() -> str | None:
        found = closed_because(way.client)
        return None if found is None else f"all requests to the server wait ({found})"

    return cause


def _past_the_breaker(submit: Callable[[Any], object]) -> Callable[[Any], object]:
    """Let a submission bypass the circuit breaker; each runs in a context of its own."""

    def submit_past(report: Any) -> object:
        if "pywats" in sys.modules:  # otherwise there is no breaker
            from pywats_green.upstream.client.outcome import (  # noqa: PLC0415
                passes_breaker,
                submission_answer,
            )

            passes_breaker.set(True)
            submission_answer.set(None)
        return submit(report)

    return submit_past


def _requiring_receipt(
    submit: Callable[[Any], object], accept: Accept | None, way: Way
) -> Callable[[Any], object]:
    def submit_for_receipt(report: Any) -> None:
        value = submit(report)
        from pywats_green.upstream.client.outcome import submission_answer  # noqa: PLC0415

        answer = submission_answer.get() or _as_returned(value)
        _require(answer, accept, way)

    return submit_for_receipt


def _require(answer: Response, accept: Accept | None, way: Way) -> None:
    """Raise unless an answer is a receipt."""
    try:
        # A lenient client returns from a 404 as well.
        is_accepted = answer.is_success and (
            is_receipt(answer.raw, xml=way.xml) if accept is None else accept(answer)
        )
    except Exception as exc:
        # It would fail for every report, so do not quarantine any for it.
        raise ForeignAnswerError(
            f"accept failed with {type(exc).__name__} for {_shown(answer, way)}", answer
        ) from exc
    if not is_accepted:
        raise ForeignAnswerError(_shown(answer, way), answer)


def _shown(answer: Response, way: Way) -> str:
    secret = sent_token(way.client.base_url, way.client.token)
    said = first_words(answer.raw, secret) or "an empty body"
    return f"HTTP {answer.status_code}: {said}"


def _way_of(submit: Any) -> Way | None:
    """Return how pywats sends the report; None: something else is in between."""
    if "pywats" not in sys.modules:
        return None  # so it cannot come from pywats
    from pywats import pyWATS  # noqa: PLC0415
    from pywats.domains.report import AsyncReportService  # noqa: PLC0415

    if isinstance(submit, pyWATS):
        return Way(submit._http_client, xml=False)  # type: ignore[attr-defined]
    method = submit
    # `functools.wraps` copies names and attributes, but not `__globals__`, which therefore gives
    # away a user's own wrapper.
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
    """Rebuild the answer from the return value, for a client that is not green.

    Upstream returns the text of any page as if it were an id; an id has digits and no spaces.
    """
    from pywats.core.client import Response  # noqa: PLC0415

    text = "" if value is None else str(value)
    is_word = len(text.split()) == 1 and "<" not in text and any(map(str.isdigit, text))
    raw = json.dumps(text) if is_word else text
    return Response(status_code=200, data=value, raw=raw.encode())
