"""Bodies are decoded within bounds, and only if they are complete."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable

import pytest

from pywats_green.exceptions import TransportDecodeError
from pywats_green.transport.answers import PIECE
from pywats_green.transport.decoding import decoded


def raw(body: bytes) -> bytes:
    return zlib.compress(body)[2:-4]


ENCODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "raw": raw}


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
