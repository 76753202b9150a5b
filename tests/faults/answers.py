"""Answers of servers as bytes: complete, broken, and ambiguous."""

from __future__ import annotations

import gzip
import zlib

from transport.servers import reply

BODY = b'{"name": "\xc3\xa5"}' * 20


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *lines, "", ""]).encode("latin-1")


def gzipped(body: bytes) -> bytes:
    """Compress to the same bytes on every Python: their headers name different systems."""
    compressed = gzip.compress(body, mtime=0)
    return compressed[:9] + b"\x03" + compressed[10:]


def deflated(body: bytes, wbits: int = zlib.MAX_WBITS) -> bytes:
    deflate = zlib.compressobj(wbits=wbits)
    return deflate.compress(body) + deflate.flush()


CHUNKED = b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\n\r\n"
GZIPPED = gzipped(BODY)

WHOLE = {
    "length": reply(200, BODY),
    "empty": reply(200, b""),
    "no length, closed": head() + BODY,
    "HTTP/1.0": head(status="HTTP/1.0 200 OK") + BODY,
    "HTTP/1.0 with length": reply(200, BODY, version="1.0"),
    "chunked": head("Transfer-Encoding: chunked") + CHUNKED,
    "chunked, shouted": head("TRANSFER-ENCODING: chunked") + CHUNKED,
    "chunked with trailer": head("Transfer-Encoding: chunked") + CHUNKED[:-2] + b"X-Sum: 1\r\n\r\n",
    "204": head(status="HTTP/1.1 204 No Content"),
    "204 with length": head("Content-Length: 5", status="HTTP/1.1 204 No Content"),
    "204, chunked": head("Transfer-Encoding: chunked", status="HTTP/1.1 204 No Content"),
    "304, chunked": head("Transfer-Encoding: chunked", status="HTTP/1.1 304 Not Modified"),
    "304": head("Content-Length: 5", status="HTTP/1.1 304 Not Modified"),
    "gzip": reply(200, GZIPPED, [("Content-Encoding", "gzip")]),
    "gzip, chunked": head("Content-Encoding: gzip", "Transfer-Encoding: chunked")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GZIPPED), GZIPPED),
    "gzip of nothing": reply(200, b"", [("Content-Encoding", "gzip")]),
    "deflate": reply(200, deflated(BODY), [("Content-Encoding", "deflate")]),
    "deflate, raw": reply(200, deflated(BODY, -zlib.MAX_WBITS), [("Content-Encoding", "deflate")]),
    **{
        f"encoded as {names!r}": reply(200, GZIPPED, [("Content-Encoding", names)])
        for names in (
            *("identity, gzip", "utf-8, gzip", "aws-chunked, gzip", "gzip,", "gzip, identity"),
            *("identity", "utf-8", "compress", "gzip;q=1", ","),
        )
    },
    "twice": reply(200, gzipped(deflated(BODY)), [("Content-Encoding", "deflate, gzip")]),
    "identity": reply(200, BODY, [("Content-Encoding", "identity")]),
    "unknown coding": reply(200, BODY, [("Content-Encoding", "rot13")]),
    "100 first": head(status="HTTP/1.1 100 Continue") + reply(200, BODY),
    "103 first": head("Link: </x>", status="HTTP/1.1 103 Early Hints") * 3 + reply(200, BODY),
    "names in capitals": reply(200, b"", [("X-ONE", "1"), ("ETag", '"x"')]),
    "repeated": reply(200, b"", [("X-A", "1"), ("x-a", "2"), ("X-B", ""), ("X-A", "3")]),
    "repeated cookies": reply(200, b"", [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2")]),
    "repeated length": reply(200, b"ab", [("Content-Length", "2")]),
    "listed length": head("Content-Length: 2, 2") + b"ab",
    "folded": head("X-A: one", "  two", "\tthree", "X-B: 2", "Content-Length: 0"),
    "spaces": head("X-A: \t one \t", "Content-Length:0"),
    "UTF-8": reply(200, b"", [("X-A", "å".encode().decode("latin-1"))]),
    "Latin-1": reply(200, b"", [("X-A", "å")]),
    "both": reply(200, b"", [("X-A", "å"), ("X-B", "å".encode().decode("latin-1"))]),
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab",
    "odd status": head("Content-Length: 0", status="HTTP/1.1 599 Odd"),
    "HTML": reply(502, b"<html>bad gateway</html>", [("Content-Type", "text/html")]),
}


BROKEN = {
    "nothing": b"",
    "cut in the status": b"HTTP/1.1 20",
    "cut in a header": head("Content-Type: text/plain")[:-10],
    "cut after a header": head("Content-Type: text/plain")[:-2],
    "cut in the length": head("Content-Length: 25")[:-5],
    "cut body": reply(200, BODY)[:-10],
    "cut before the body": reply(200, BODY)[: -len(BODY)],
    "cut in a chunk": head("Transfer-Encoding: chunked") + CHUNKED[:6],
    "cut between chunks": head("Transfer-Encoding: chunked") + CHUNKED[:10],
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "no colon": head("no colon", "Content-Length: 2") + b"ab",
    "no colon, last": head("Content-Length: 2", "no colon") + b"ab",
    "blank before the colon": head("X-A : space", "Content-Length: 2") + b"ab",
    "bad length": head("Content-Length: 2x") + b"ab",
    "signed length": head("Content-Length: +2") + b"ab",
    "negative length": head("Content-Length: -2") + b"ab",
    "two lengths": head("Content-Length: 2", "Content-Length: 3") + b"abc",
    "unknown transfer coding": head("Transfer-Encoding: gzip") + GZIPPED,
    "no gzip": reply(200, BODY, [("Content-Encoding", "gzip")]),
}


# Two readers could take these differently, which is how answers are smuggled.
STRICTER = {
    "chunked and length": head("Transfer-Encoding: chunked", "Content-Length: 999") + CHUNKED,
    "bare line feeds": b"HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\nab",
    "one bare line feed": b"HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\r\nab",
    "control character": head("X-A: \x01", "Content-Length: 2") + b"ab",
    "blank after a chunk size": head("Transfer-Encoding: chunked") + b"2 \r\nab\r\n0\r\n\r\n",
    "HTTP/2.0": head("Content-Length: 2", status="HTTP/2.0 200 OK") + b"ab",
}
