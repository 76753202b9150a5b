"""Passes through a gate, on a real server."""

import pytest

from fleet.engine import Engine
from pywats_green.fleet.keys import gate_keys_of
from pywats_green.fleet.link import Link
from pywats_green.fleet.passes import Closing, Passes

SERVER = "https://wats.example"


class _Own:
    """A member's own gate, at which somebody waits."""

    def __init__(self) -> None:
        self.closed: list[Closing] = []

    def closing(self) -> None:
        return None

    def close(self, closing: Closing) -> None:
        self.closed.append(closing)

    def reopen(self) -> None:
        pass

    def waiting(self) -> int:
        return 1

    def attend(self) -> None:
        pass


@pytest.fixture
def link(kept: Engine) -> Link:
    link = Link(kept.url)
    link.ask("FLUSHALL")
    return link


def _member(name: str) -> tuple[Passes, _Own]:
    own = _Own()
    return Passes(name, SERVER, own, lambda: None), own


def test_a_clock_that_was_set_back_keeps_no_gate_closed(link: Link) -> None:
    killed, _ = _member("aa")
    killed.exchange(link)
    killed.close(Closing("HTTP 429", True, 0.0, 0.0, 300.0, is_limit=True))
    killed.ask()
    killed.exchange(link)
    assert killed.take()
    gate, _, leases = gate_keys_of(SERVER)
    link.ask("HINCRBYFLOAT", gate, "until", 3600)  # as if it had been closed an hour from now
    link.ask("ZINCRBY", leases, 3600, "aa")
    other, own = _member("bb")
    other.exchange(link)
    assert own.closed[-1].pause <= 300
    link.ask("HSET", gate, "until", 0)
    other.ask()
    other.exchange(link)
    assert other.take()
