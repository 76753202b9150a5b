"""A server whose misbehaviour depends on the path: `python -m parity.scripted CERTIFICATE`.

It listens on loopback ports that it prints as one JSON line: two origins of the same behaviour,
one with TLS, one that refuses, and one that neither accepts nor refuses. It ends with its stdin.
Every other path is answered with a small JSON object, so that any target can be asked for.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import socket
import ssl
import struct
import sys
import zlib
from collections import Counter
from http import HTTPStatus
from typing import Any, ClassVar

RST = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
GREETING = b'{"ok":true,"text":"bl\xc3\xa5b\xc3\xa6r"}'


def answer(status: int, body: bytes = b"", kind: str = JSON, *extra: str) -> bytes:
    """Encode a response with its length."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *extra]
    if status not in (204, 304):
        lines += [f"Content-Length: {len(body)}"]
    if body:
        lines += [f"Content-Type: {kind}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    """Encode a response in chunks."""
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: {JSON}\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head.encode() + body + b"0\r\n" + trailer + b"\r\n"


def compressed(body: bytes, coding: str) -> bytes:
    """Encode a response with a content coding."""
    return answer(200, body, JSON, f"Content-Encoding: {coding}")


BINARY = bytes(range(256)) * 4
DATA = b'{"numbers":[1,2.5,1e400,-0.0],"text":"\\u00e6\xc3\xb8","none":null}'
MESSAGE = b'{"Message":"as the test wants it","Detail":{"a":1}}'

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

WHOLE_ANSWERS = {
    "/binary": answer(200, BINARY, "application/octet-stream"),
    "/big-binary": answer(200, BINARY * 300, "application/zip"),
    "/bom": answer(200, b"\xef\xbb\xbf" + GREETING),
    "/charset/latin-1": answer(200, "blåbær".encode("latin-1"), "text/plain; charset=iso-8859-1"),
    "/charset/quoted": answer(200, b"bl\xe5", 'text/plain; charset="ISO-8859-1"; x=y'),
    "/charset/unknown": answer(200, b"bl\xc3\xa5 \xff", "text/plain; charset=klingon"),
    "/charset/upper": answer(200, b"bl\xe5", "text/plain; CHARSET=ISO-8859-1"),
    "/charset/utf-16": answer(200, "blåbær".encode("utf-16"), "text/plain; charset=utf-16"),
    "/chunked": chunked(GREETING[:5], GREETING[5:]),
    "/chunked/trailer": chunked(GREETING, trailer=b"X-Sum: 1\r\n"),
    "/continue": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, GREETING),
    "/cookie": answer(200, GREETING, JSON, "Set-Cookie: sid=1; Path=/", "Set-Cookie: b=2"),
    "/cookie/deeper/set": answer(200, GREETING, JSON, "Set-Cookie: deep=1; Path=/cookie/deeper"),
    "/cookie/default": answer(200, GREETING, JSON, "Set-Cookie: d=1; HttpOnly; SameSite=Lax"),
    "/cookie/expired": answer(200, GREETING, JSON, "Set-Cookie: sid=; Path=/; Max-Age=0"),
    "/cookie/foreign": answer(200, GREETING, JSON, "Set-Cookie: f=1; Domain=example.com"),
    "/cookie/odd": answer(200, GREETING, JSON, 'Set-Cookie: q="a b"; Path=/', "Set-Cookie: x"),
    "/cookie/secure": answer(200, GREETING, JSON, "Set-Cookie: s=1; Path=/; Secure"),
    "/deflate": compressed(zlib.compress(DATA), "deflate"),
    "/deflate/raw": compressed(zlib.compress(DATA)[2:-4], "deflate"),
    "/early-hints": EARLY + answer(200, GREETING),
    "/empty": answer(200),
    "/empty/object": answer(200, b"{}"),
    "/empty/list": answer(200, b"[]"),
    "/empty/null": answer(200, b"null"),
    "/empty/space": answer(200, b"  \r\n"),
    "/empty/string": answer(200, b'""'),
    "/garbage": b"this is no HTTP\r\n\r\n",
    "/gzip": compressed(gzip.compress(DATA, mtime=0), "gzip"),
    "/gzip/broken": compressed(b"\x1f\x8b this is no gzip", "gzip"),
    "/gzip/empty": compressed(b"", "gzip"),
    "/gzip/short": compressed(gzip.compress(DATA, mtime=0)[:-9], "gzip"),
    "/gzip/twice": compressed(gzip.compress(zlib.compress(DATA), mtime=0), "deflate, gzip"),
    "/gzip/unknown": compressed(GREETING, "klingon"),
    "/gzip/x": compressed(gzip.compress(DATA, mtime=0), "x-gzip"),
    "/header/bad": b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n",
    "/header/latin-1": answer(200, GREETING, JSON, "X-Name: bl\xe5b\xe6r", "X-Empty:"),
    "/header/utf-8": answer(200, GREETING, JSON, "X-Name: bl\xc3\xa5", "X-Plain: a"),
    "/header/repeated": answer(200, GREETING, JSON, "X-Twice: 1", "x-twice: 2", "Vary: a, b"),
    "/header/spaced": answer(200, GREETING, JSON, "X-Space:   a  b  ", 'ETag: W/"1"'),
    "/html": answer(200, b"<html><body>Sign in, bl\xc3\xa5</body></html>", HTML),
    "/json/deep": answer(200, b"[" * 400 + b"]" * 400),
    "/json/duplicate": answer(200, b'{"a":1,"a":2}'),
    "/json/long-integer": answer(200, b'{"a":%s}' % (b"9" * 5000)),
    "/json/nan": answer(200, b'{"a":NaN,"b":-Infinity}'),
    "/json/numbers": answer(200, DATA),
    "/json/scalar": answer(200, b"42"),
    "/json/surrogate": answer(200, b'{"a":"\\ud83d"}'),
    "/json/text-type": answer(200, GREETING, "text/plain"),
    "/json/truncated": answer(200, b'{"a":'),
    "/json/utf-16": answer(200, '{"a":"ø"}'.encode("utf-16"), "application/json"),
    "/length/none": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + GREETING,
    "/length/old": b"HTTP/1.0 200 OK\r\n\r\n" + GREETING,
    "/length/wrong": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    "/no-reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "/odd-bytes": answer(200, b"\xff\xfe\x00plain", "text/plain"),
    "/redirect/loop": answer(302, b"", JSON, "Location: /redirect/loop"),
    "/redirect/loop/2": answer(302, b"", JSON, "Location: /redirect/loop/3"),
    "/redirect/loop/3": answer(302, b"", JSON, "Location: /redirect/loop/2"),
    "/redirect/nowhere": answer(302, MESSAGE),
    "/redirect/other-scheme": answer(302, b"", JSON, "Location: ftp://example.com/x"),
    "/redirect/bad-port": answer(302, b"", JSON, "Location: http://127.0.0.1:no/x"),
    "/redirect/relative": answer(302, b"", JSON, "Location: ../other?x=1#part"),
    "/redirect/spaced": answer(302, b"", JSON, "Location: /a b/\xc3\xa6?c=d e"),
    "/redirect/same-query": answer(302, b"", JSON, "Location: ?x=2"),
    "/redirect/cookie": answer(302, b"", JSON, "Location: /landed", "Set-Cookie: r=1; Path=/"),
    "/redirect/fragment": answer(302, b"", JSON, "Location: #part"),
    "/redirect/host-upper": answer(302, b"", JSON, "Location: HTTP://LOCALHOST:{port_b}/landed"),
    "/redirect/300": answer(300, MESSAGE, JSON, "Location: /landed"),
    "/redirect/304": answer(304, b"", JSON, "Location: /landed"),
    "/redirect/network-path": answer(302, b"", JSON, "Location: //127.0.0.1:{port_b}/landed"),
}


class Scripted(asyncio.Protocol):
    """One connection."""

    recorded: ClassVar[list[dict[str, Any]]] = []
    asked: ClassVar[Counter[str]] = Counter()
    doomed: ClassVar[list[Any]] = []
    ports: ClassVar[dict[str, int]] = {}

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer complete requests."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            if line.count(" ") != 2:  # what a request line or a body must not hold was let through
                self._record("malformed", line, [], rest)
                self._write(answer(400, MESSAGE))
                self._transport.close()
                return
            split = (field.partition(":") for field in fields)
            headers = [(name, value.strip()) for name, _, value in split]
            lengths = [value for name, value in headers if name.lower() == "content-length"]
            length = int(lengths[0]) if lengths else 0
            if len(rest) < length:
                return
            if b"\r\ntransfer-encoding: chunked" in head.lower():
                length = rest.find(b"0\r\n\r\n") + 5
                if length < 5:
                    return
            self._buffer = rest[length:]
            method, target, _ = line.split(" ")
            self._answer(method, target, headers, rest[:length])

    def _answer(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        path = target.partition("?")[0]
        if path.startswith("/__control__/"):
            self._control(path)
            return
        self._record(method, target, headers, body)
        if path in WHOLE_ANSWERS:
            self._write(WHOLE_ANSWERS[path])
            if path.startswith("/length/") or path in ("/garbage", "/header/bad"):
                self._transport.close()
            return
        _, kind, *rest = [*path.split("/"), ""]
        getattr(self, "_on_" + kind.replace("-", "_"), self._on_anything)(*rest[:-1])

    def _record(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        port = self._transport.get_extra_info("sockname")[1]
        origin = next(name for name, number in self.ports.items() if number == port)
        shown = base64.b64encode(body).decode()
        self.recorded.append(
            {"method": method, "target": f"{origin} {target}", "headers": headers, "body": shown}
        )

    def _write(self, data: bytes) -> None:
        for name, port in self.ports.items():
            data = data.replace(f"{{port_{name}}}".encode(), str(port).encode())
        self._transport.write(data)

    def _control(self, path: str) -> None:
        if path.endswith("/requests"):
            self._write(answer(200, json.dumps(self.recorded).encode()))
            return
        if path.endswith("/close"):
            while self.doomed:
                self.doomed.pop().close()
            # Behind the closing of the sockets, so that who reads this finds them closed.
            asyncio.get_running_loop().call_soon(self._write, answer(200, b"null"))
            return
        self.recorded.clear()
        self.asked.clear()
        self._write(answer(200, b"null"))

    def _on_anything(self, *_: str) -> None:
        self._write(answer(200, GREETING))

    def _on_status(self, status: str, *_: str) -> None:
        body = b"" if status in ("204", "304") else MESSAGE
        self._write(answer(int(status), body))

    def _on_plain(self, status: str) -> None:
        self._write(answer(int(status), b"plain words", "text/plain"))

    def _on_bare(self, status: str) -> None:
        self._write(answer(int(status)))

    def _on_flaky(self, status: str, times: str, *retry_after: str) -> None:
        """Answer with a status a number of times, then successfully."""
        self.asked["flaky"] += 1
        if self.asked["flaky"] > int(times):
            self._on_anything()
            return
        extra = [f"Retry-After: {seconds}" for seconds in retry_after]
        self._write(answer(int(status), MESSAGE, JSON, *extra))

    def _on_falling(self, times: str) -> None:
        """Close without an answer a number of times, then answer successfully."""
        self.asked["falling"] += 1
        if self.asked["falling"] > int(times):
            self._on_anything()
        else:
            self._transport.close()

    def _on_redirect(self, status: str, where: str) -> None:
        roots = {
            "same": "",
            "cross": f"http://127.0.0.1:{self.ports['b']}",
            "name": f"http://localhost:{self.ports['a']}",
            "tls": f"https://127.0.0.1:{self.ports['tls']}",
            "refused": f"http://127.0.0.1:{self.ports['refused']}",
            "user": f"http://me:secret@127.0.0.1:{self.ports['a']}",
        }
        there = f"Location: {roots[where]}/landed?by={status}"
        self._write(answer(int(status), MESSAGE, JSON, there))

    def _on_hops(self, left: str) -> None:
        """Redirect a number of times, then answer successfully."""
        there = f"/hops/{int(left) - 1}" if int(left) else "/landed"
        self._write(answer(307, b"", JSON, f"Location: {there}"))

    def _on_eof(self) -> None:
        self._transport.close()

    def _on_early_hints(self, _: str) -> None:
        """Send the final response long after the early one."""
        self._write(EARLY)
        late = answer(200, b'{"late":true}')
        asyncio.get_running_loop().call_later(0.05, self._write, late)

    def _on_rst(self, after: str = "") -> None:
        if after:
            self._write(answer(200, GREETING)[:-4])
        sock = self._transport.get_extra_info("socket")
        asyncio.get_running_loop().call_later(0.05 if after else 0, self._reset, sock)

    def _reset(self, sock: Any) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        self._transport.abort()

    def _on_cut(self, where: str = "body") -> None:
        whole = {"head": b"HTTP/1.1 200 OK\r\nContent-Le", "chunk": chunked(GREETING)[:-20]}
        self._write(whole.get(where, answer(200, GREETING)[:-4]))
        self._transport.close()

    def _on_hang(self, after: str = "") -> None:
        if after:
            self._write(answer(200, GREETING)[:-4])

    def _on_then_close(self) -> None:
        """Answer; the control request `close` then closes the connection despite keep-alive."""
        self._on_anything()
        self.doomed.append(self._transport)

    def _on_announced_close(self) -> None:
        self._write(answer(200, GREETING, JSON, "Connection: close"))
        self._transport.close()


async def serve(certificate: str) -> None:
    """Listen, print the ports, and wait until stdin is closed."""
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    for name, tls in (("a", None), ("b", None), ("tls", context)):
        server = await loop.create_server(Scripted, "127.0.0.1", 0, ssl=tls)
        Scripted.ports[name] = server.sockets[0].getsockname()[1]
    refusing, stalled = socket.socket(), socket.socket()
    refusing.bind(("127.0.0.1", 0))  # bound, never listening
    stalled.bind(("127.0.0.1", 0))
    stalled.listen(0)
    Scripted.ports["refused"] = refusing.getsockname()[1]
    Scripted.ports["stalled"] = stalled.getsockname()[1]
    waiting = [socket.socket() for _ in range(4)]  # they fill the queue of the stalled port
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", Scripted.ports["stalled"]))
    sys.stdout.write(json.dumps(Scripted.ports) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    os._exit(0)  # connections that hang are meant to be dropped


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
