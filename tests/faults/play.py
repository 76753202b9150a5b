"""Plays scenarios, in a plain process as well as under gevent."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

from parity.outcome import outcome_of
from parity.tables.wire import Step
from parity.wire import CLIENTS
from pywats.core.retry import RetryConfig
from transport.servers import BOUND, read_request, reply, reset

from faults.scenarios import TARGET, Scenario

KINDS = ("pyWATS", "HttpClient")
BIG = {"body": "x" * 1_000_000}  # more than a socket takes at once
SMALL = {"body": "x"}
LONGEST = 200  # characters of an outcome that are recorded as they are
BETWEEN = 1e-6  # seconds; lets the client read what was sent so far


class Player(socketserver.ThreadingTCPServer):
    """Answers TARGET with a scenario, in pieces, and every other target with its name.

    Args:
        context: TLS. None: plain.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 50

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.context = context
        self.scenario = Scenario(b"")
        self.cuts: list[int] = []

    @property
    def url(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.server_address[1]}"

    def pieces(self) -> Iterator[bytes]:
        """Cut the answer. What is surplus comes with the last piece."""
        answer, surplus = self.scenario.answer, self.scenario.surplus
        edges = [0, *(cut for cut in self.cuts if 0 < cut < len(answer)), len(answer)]
        *firsts, last = (answer[a:b] for a, b in itertools.pairwise(edges))
        return iter([*firsts, last + surplus])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that have gone; everything else is shown."""
        del request, client_address
        with contextlib.suppress(OSError):
            raise  # noqa: PLE0704  # the error that is being handled


class _Connection(socketserver.BaseRequestHandler):
    server: Player

    def handle(self) -> None:
        sock: Any = self.request
        sock.settimeout(BOUND)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.server.context is not None:
            sock = self.server.context.wrap_socket(sock, server_side=True)
        with contextlib.closing(sock), sock.makefile("rb") as stream:
            if self.server.scenario.is_early:
                self._answer_early(sock, stream)
                return
            while (seen := read_request(stream)) is not None:
                if seen.target != TARGET:
                    sock.sendall(_own(seen.target))
                elif not self._answer(sock):
                    return

    def _answer(self, sock: Any) -> bool:
        """Play the scenario; return whether the connection is kept."""
        for piece in self.server.pieces():
            sock.sendall(piece)
            time.sleep(BETWEEN)
        ending = self.server.scenario.ending
        if ending == "reset":
            reset(sock)
        return ending == "keep"

    def _answer_early(self, sock: Any, stream: Any) -> None:
        line = stream.readline()
        while stream.readline() not in (b"\r\n", b""):
            pass
        if line.split(b" ")[1:2] != [TARGET.encode()]:
            sock.sendall(_own(line.split(b" ")[1].decode()))
            return
        for piece in self.server.pieces():
            sock.sendall(piece)
        # Closing at once would reset the connection, and the answer might be lost with it.
        socket.socket.shutdown(sock, socket.SHUT_WR)
        while stream.read(65_536):
            pass


def _own(target: str) -> bytes:
    body = json.dumps({"target": target}).encode()
    return reply(200, body, [("Content-Type", "application/json")])


@contextlib.contextmanager
def playing(context: ssl.SSLContext | None) -> Iterator[Player]:
    """Serve on a free loopback port."""
    with Player(context) as player:
        thread = threading.Thread(target=player.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield player
        finally:
            player.shutdown()
            thread.join()


def play(player: Player, kind: str, scenario: Scenario, cuts: list[int], number: int) -> Any:
    """Play a scenario to a new client, and have it ask for something else after that.

    Args:
        player: The server.
        kind: The client, one of KINDS.
        scenario: What the server does.
        cuts: Where to cut the answer; not at all if empty.
        number: Of this play, to tell its answers from those of others.

    Returns:
        What the client made of it, as is recorded, and whether the second answer was its own.
    """
    player.scenario, player.cuts = scenario, cuts
    options = {
        "token": "dG9rZW4=",
        "verify_ssl": False,
        "enable_cache": False,
        "retry_config": RetryConfig(enabled=False),
    }
    client = CLIENTS[kind](player.url, options)
    try:
        body = {"data": BIG if scenario.is_early else SMALL} if scenario.verb == "post" else {}
        _, outcome = outcome_of(lambda: client.call(Step(scenario.verb, TARGET, body)))
        _, after = outcome_of(lambda: client.call(Step("get", f"/after/{number}", {})))
    finally:
        client.close()
    data = after.get("returned", {}).get("data") if "returned" in after else after
    return recorded(outcome), data == {"target": f"/after/{number}"}


def recorded(outcome: dict[str, Any]) -> Any:
    """Return what is compared: the type of an exception, or the response; long ones hashed."""
    if "raised" in outcome:
        return outcome["raised"]["type"]
    text = json.dumps(outcome["returned"], sort_keys=True)
    if len(text) > LONGEST:
        return {"sha256": hashlib.sha256(text.encode()).hexdigest()[:32], "of": text[:60]}
    return outcome["returned"]
