"""Where answers are read from: a piece that was received, or the connection itself."""

from __future__ import annotations

import io
from typing import Any

_BUFFER = 65_536  # bytes
_END = b"\r\n\r\n"  # of a head, and of a chunked body


class Piece(io.BytesIO):
    """What was received of an answer, most often all of it."""

    @property
    def has_head(self) -> bool:
        """Whether a whole head is there."""
        return _END in self.getvalue()

    @property
    def left(self) -> int:
        """How many bytes were not read yet."""
        return len(self.getbuffer()) - self.tell()

    @property
    def has_ended(self) -> bool:
        """Whether a head, or a chunked body, that was read up to here is cut."""
        return not (self.left or self.getvalue().endswith(_END))

    def append(self, more: bytes) -> None:
        """Add what was received next."""
        here = self.seek(0, io.SEEK_CUR)
        self.seek(0, io.SEEK_END)
        self.write(more)
        self.seek(here)

    def makefile(self, _mode: str) -> Piece:
        """Return itself: `http.client` asks a socket for a file to read an answer from."""
        return self

    def close(self) -> None:
        """Do nothing: `http.client` closes its file when it has read the answer."""

    def holds_more(self) -> bool:
        """Tell whether more was received than was read."""
        return self.left > 0


class Stream(io.BufferedReader):
    """What a connection receives.

    Args:
        sock: What to receive from.

    Attributes:
        has_ended: Whether the server has closed its side and everything was read.
    """

    raw: _Receiving

    def __init__(self, sock: Any) -> None:
        super().__init__(_Receiving(sock), _BUFFER)

    def makefile(self, _mode: str) -> Stream:
        """Return itself, as `Piece` does."""
        return self

    def close(self) -> None:
        """Do nothing: the answer is over, the connection goes on."""

    @property
    def has_ended(self) -> bool:  # noqa: D102  # see the class
        return self.raw.has_ended

    def holds_more(self) -> bool:
        """Tell whether more was received than was read, without receiving anything."""
        self.raw.is_shut = True
        return bool(self.peek(1))


class Lasting(Stream):
    """The same, open until it is closed, as `http.client` closes the socket before it reads on."""

    def __init__(self, sock: Any) -> None:
        self._hold = sock.makefile("rb", buffering=0)  # keeps the descriptor
        super().__init__(sock)

    def close(self) -> None:
        """Let go of the socket."""
        self._hold.close()


class _Receiving(io.RawIOBase):
    has_ended = False
    is_shut = False

    def __init__(self, sock: Any) -> None:
        self._receive = sock.recv_into

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_shut:
            return None
        count: int = self._receive(buffer)
        self.has_ended = count == 0
        return count


class Again:
    """A socket from which some bytes were received already, and are received once more."""

    def __init__(self, received: bytes, sock: Any) -> None:
        self._left = memoryview(received)
        self._sock = sock

    def recv_into(self, buffer: Any) -> int:
        """Receive into a buffer; return how many bytes."""
        count = min(len(self._left), len(buffer))
        if not count:
            return int(self._sock.recv_into(buffer))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
