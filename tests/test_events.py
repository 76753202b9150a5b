"""Listeners that raise, block or are killed: the others hear of a call all the same."""

import logging
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pywats import pyWATS

from pywats_green import configure, events
from pywats_green.events import RequestEvent


class Killed(BaseException):
    pass


@pytest.fixture
def listen():
    cancels = []
    yield lambda *args, **kwargs: cancels.append(events.subscribe(*args, **kwargs))
    for cancel in cancels:
        cancel()


def an_event() -> RequestEvent:
    return RequestEvent("GET", "/x", None, "http://server", str, str)


def raises(error: type[BaseException]):
    def listener(_: RequestEvent) -> None:
        raise error

    return listener


@pytest.mark.parametrize("error", [ValueError, Killed])
def test_all_hear_of_the_end(listen, error, caplog):
    heard: list[Any] = []
    listen(lambda _: heard.append("first"))
    listen(raises(error))
    listen(lambda _: heard.append("last"))
    try:
        with an_event():
            pass
    except Killed:
        assert error is Killed
    else:
        assert error is ValueError
        assert "a listener failed" in caplog.text
    assert heard == ["last", "first"]
    assert events.current.get() is None


def test_a_kill_at_the_start_is_the_end_for_those_who_heard_of_it(listen):
    heard: list[Any] = []
    listen(lambda event: heard.append(type(event.error)), on_start=lambda _: heard.append("start"))
    listen(lambda _: heard.append("killed"), on_start=raises(Killed))
    listen(lambda _: heard.append("never"), on_start=lambda _: heard.append("never"))
    with pytest.raises(Killed), an_event():
        heard.append("never")
    assert heard == ["start", "killed", Killed]
    assert events.current.get() is None


def test_a_kill_while_a_call_is_logged_loses_no_listener(listen, api: pyWATS):
    """Handlers block: on their lock, or on a socket."""
    heard: list[Any] = []
    listen(heard.append)
    blocked, never = Event(), Event()
    handler = logging.Handler()
    handler.emit = lambda _: (blocked.set(), never.wait())  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("pywats_green.calls")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    configure(log_calls=True)
    try:
        call = gevent.spawn(api.product.get_product, "PN-00001")
        assert blocked.wait(30)
        call.kill()
    finally:
        configure(log_calls=False)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert [event.status for event in heard] == [200]
