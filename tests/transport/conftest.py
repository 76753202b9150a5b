"""Fixtures of the transport's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent.event import Event

from pywats_green import config
from pywats_green.transport import Transport
from pywats_green.transport.reader import Reader

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the influence of the machine's environment, and restore settings after a test."""
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in _CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "in_force", config.Settings())


@pytest.fixture
def connect(clean_environment: None) -> Iterator[Callable[..., Transport]]:
    """Make transports that are closed at the end of the test."""
    made: list[Transport] = []

    def make(url: str, *, verify: bool = True) -> Transport:
        made.append(Transport(url, verify=verify))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


@pytest.fixture
def head_read(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Set once a head was read, and more is waited for."""
    is_read, go_on = Event(), Reader._go_on

    def note(*args: Any) -> Any:
        is_read.set()
        return go_on(*args)

    monkeypatch.setattr(Reader, "_go_on", note)
    return is_read
