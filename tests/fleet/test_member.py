"""A member whose connections end, one way or another."""

import math
import socket
from collections.abc import Iterator

import pytest
from gevent.event import Event
from gevent.server import StreamServer
from waiting import BOUND

from pywats_green.fleet.link import Link
from pywats_green.fleet.member import Member

_PONG = b"+PONG\r\n"


class _Asking:
    """Asks the server whenever it is told to, until it has an answer."""

    def __init__(self) -> None:
        self.answered, self.was_lost = Event(), Event()
        self.doubts = 0
        self._due = math.inf

    def ask(self, member: Member) -> None:
        self.answered.clear()
        self._due = 0.0
        member.poke()

    def due_in(self) -> float:
        return self._due

    def exchange(self, link: Link) -> None:
        assert link.ask("PING").decode() == "PONG"
        self._due = math.inf
        self.answered.set()

    def doubt(self) -> None:
        self.doubts += 1

    def lost(self) -> None:
        self.was_lost.set()

    def leave(self, link: Link) -> None:
        """Nothing to say."""


class _Server:
    """Answers each connection a number of times, and closes it instead of the next answer."""

    def __init__(self) -> None:
        self.patience = 1
        self.answer = _PONG

    def __call__(self, client: socket.socket, _: object) -> None:
        for _count in range(self.patience):
            if not client.recv(65536):
                return
            client.sendall(self.answer)
        client.recv(65536)


@pytest.fixture
def served() -> Iterator[tuple[_Server, str]]:
    handle = _Server()
    server = StreamServer(("127.0.0.1", 0), handle)
    server.start()
    yield handle, f"redis://127.0.0.1:{server.server_port}"
    server.stop()


def _answered_on_two_connections(url: str) -> tuple[Member, _Asking]:
    """Return a member for whom the clock stands still, and what it has asked twice."""
    member, asking = Member(url, clock=lambda: 0.0), _Asking()
    member.join(asking)
    for _ in range(2):
        asking.ask(member)
        assert asking.answered.wait(BOUND)
    return member, asking


def test_a_connection_that_ends_is_replaced_before_anybody_is_on_its_own(
    served: tuple[_Server, str],
) -> None:
    member, asking = _answered_on_two_connections(served[1])
    assert (asking.doubts, asking.was_lost.is_set(), member.trouble) == (1, False, None)
    member.leave()


def test_a_server_that_ends_connections_again_and_again_is_away(
    served: tuple[_Server, str],
) -> None:
    member, asking = _answered_on_two_connections(served[1])
    asking.ask(member)  # in the same half second, as the clock stands still
    assert asking.was_lost.wait(BOUND)
    assert asking.doubts == 1
    member.leave()


def test_a_server_that_answers_nothing_is_away(served: tuple[_Server, str]) -> None:
    served[0].patience = 0
    member, asking = Member(served[1], clock=lambda: 0.0), _Asking()
    member.join(asking)
    asking.ask(member)
    assert asking.was_lost.wait(BOUND)
    assert (asking.doubts, asking.answered.is_set()) == (0, False)
    member.leave()


def test_an_answer_that_cannot_be_used_ends_nothing(
    served: tuple[_Server, str], caplog: pytest.LogCaptureFixture
) -> None:
    served[0].answer = b"$-1\r\n"  # None
    member, asking = Member(served[1]), _Asking()
    member.join(asking)
    asking.ask(member)
    assert asking.was_lost.wait(BOUND)
    asking.was_lost.clear()
    assert asking.was_lost.wait(BOUND)
    assert caplog.text.count("an answer that cannot be used") == 1  # not at each attempt
    served[0].answer = _PONG
    assert asking.answered.wait(BOUND)
    member.leave()
