"""Bodies are decoded within bounds, and only if they are complete."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable
from functools import reduce
from types import SimpleNamespace

import pytest

from pywats_green.exceptions import TransportDecodeError
from pywats_green.transport import decoding
from pywats_green.transport.answers import PIECE
from pywats_green.transport.decoding import decoded


def raw(body: bytes) -> bytes:
    return zlib.compress(body)[2:-4]


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw": raw,
}


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("length", [1, PIECE - 1, PIECE, PIECE + 1, PIECE + 258, 3 * PIECE])
def test_nothing_is_lost_at_the_edges_of_the_pieces(kind: str, length: int) -> None:
    body = (b"ab" * length)[:length]
    assert decoded(ENCODERS[kind](body), kind.replace("raw", "deflate")) == body


@pytest.mark.parametrize("kind", ENCODERS)
def test_what_is_cut_anywhere_is_refused(kind: str) -> None:
    whole = ENCODERS[kind](random.Random(1).randbytes(2 * PIECE))
    for length in (1, 2, 5, 1_000, PIECE - 1, PIECE, PIECE + 1, len(whole) - 1):
        with pytest.raises(TransportDecodeError, match="truncated"):
            decoded(whole[:length], kind.replace("raw", "deflate"))


def test_the_members_of_a_big_file_are_all_decoded() -> None:
    body = random.Random(1).randbytes(PIECE)
    assert decoded(gzip.compress(body) * 3 + b"what follows", "gzip") == body * 3


def test_encodings_without_a_decoder_of_our_own_are_complete_too() -> None:
    brotli = pytest.importorskip("brotli")
    compress: Callable[[bytes], bytes] = brotli.compress
    whole = compress(b"abc" * 1_000)
    assert decoded(whole, "br") == b"abc" * 1_000
    with pytest.raises(TransportDecodeError, match="truncated"):
        decoded(whole[:-2], "br")


EMPTY_MEMBER = gzip.compress(b"", mtime=0)


def test_what_many_members_copy_grows_only_as_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    fed = 0

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._inflate = zlib.decompressobj(wbits)

        def decompress(self, data: bytes, limit: int) -> bytes:
            nonlocal fed
            fed += len(data)
            return self._inflate.decompress(data, limit)

        def __getattr__(self, name: str) -> object:
            return getattr(self._inflate, name)

    names = {**vars(zlib), "decompressobj": Counting}
    monkeypatch.setattr(decoding, "zlib", SimpleNamespace(**names))
    assert decoded(EMPTY_MEMBER * 1_000, "gzip") == b""
    few, fed = fed, 0
    assert decoded(EMPTY_MEMBER * 4_000, "gzip") == b""
    assert fed < 5 * few


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (EMPTY_MEMBER * 100, "gzip"),
        (reduce(lambda body, _: raw(body), range(3), b"{}"), "deflate, deflate, deflate"),
    ],
    ids=["members", "encodings"],
)
def test_others_run_while_a_small_body_makes_much_work(
    content: bytes, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breathed: list[None] = []
    monkeypatch.setattr(decoding, "breathe", lambda: breathed.append(None))
    decoded(content, encoding)
    assert len(breathed) > 1
