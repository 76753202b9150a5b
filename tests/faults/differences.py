"""Scenarios that green deliberately treats differently, by row of docs/upstream-differences.md."""

from __future__ import annotations

DIFFERENCES: dict[str, tuple[str, ...]] = {
    "x-gzip": ("/gzip/x",),
    "compressed responses": (
        "/gzip/short",
        "encoded: gzip without its checksum",
        "encoded: gzip cut in its checksum",
        "encoded: gzip cut in the middle",
        "encoded: gzip of one byte",
        "encoded: gzip in two members",
        "encoded: gzip, the second member cut",
        "encoded: deflate without its checksum",
        "encoded: deflate cut",
        "encoded: raw deflate cut",
        "encoded: truncated in chunks",
    ),
    "ambiguous responses": (
        "chunked and length",
        "trailer b'Content-Length: 2\\r\\n'",
        "bare line feeds",
        "one bare line feed",
        "control character",
        "DEL in a value",
        "blank after a chunk size",
        "chunk size 'b\\t'",
        "chunk size 'b;\\x00'",
        "HTTP/2.0",
        "status line 'HTTP/0.9 200 OK'",
        "status line 'HTTP/1.2 200 OK'",
    ),
    "long heads": ("a line of 200 kB", "11,000 lines"),
    "a chunk size of more than 20 digits": ("chunk size '00000000000000000000b'",),
}

ROWS = {name: row for row, names in DIFFERENCES.items() for name in names}
