"""The handle by which a test starts, drives and stops the server process."""

from __future__ import annotations

import base64
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pywats_green.testing.certificates import Certificates
from pywats_green.testing.driver import Driver, check_options
from pywats_green.testing.process import ServerProcess

if TYPE_CHECKING:
    from typing_extensions import Self


class WatsServer(Driver):
    """A WATS server double in a process of its own, on a free port of the loopback.

    A context manager; `start` and `stop` do the same by hand. It works in a plain process and
    under gevent, where all its waiting is cooperative. Its content is the same for the same seed:
    products "PN-00000" to "PN-04999" with revisions A and B, assets "AS-00000" to "AS-01999",
    units "SN-00000" to "SN-04999" (of product "PN-" number modulo 1,000), and some reports.

    Args:
        latency: Seconds that the server waits before each answer.
        jitter: The most seconds that chance, seeded, adds to each latency.
        rate_limit: Requests allowed in a window of seconds, as a pair; more are answered with 429
            and Retry-After. None is no limit.
        tls: True serves HTTPS with a certificate made for the occasion; needs `trustme`.
        seed: Decides the content and all chance.
        lightweight_query: True strips products in query answers of description, XML, revisions
            and tags; False answers the same objects as single requests do.
        record: True keeps every request for `requests`.
        port: The port; 0 takes a free one.

    Raises:
        ValueError: A time is negative, or the rate limit is not a pair of positive numbers.
    """

    def __init__(
        self,
        latency: float = 0.0,
        jitter: float = 0.0,
        rate_limit: tuple[int, float] | None = None,
        tls: bool = False,
        seed: int = 0,
        lightweight_query: bool = False,
        record: bool = False,
        *,
        port: int = 0,
    ) -> None:
        check_options(latency=latency, jitter=jitter, rate_limit=rate_limit)
        self._options: dict[str, Any] = {
            "latency": latency,
            "jitter": jitter,
            "rate_limit": rate_limit,
            "seed": seed,
            "lightweight_query": lightweight_query,
            "record": record,
            "port": port,
        }
        self._tls = tls
        self._process: ServerProcess | None = None
        self._certificates: Certificates | None = None
        self.token = base64.b64encode(f"green:{seed}".encode()).decode()
        """The token that the server accepts: `Authorization: Basic <token>`."""
        self.second_token = base64.b64encode(f"second:{seed}".encode()).decode()
        """Another token that it accepts."""

    def __enter__(self) -> Self:
        """Start the server."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    def __repr__(self) -> str:
        """Where the server listens, never its token."""
        return f"WatsServer({'stopped' if self._process is None else self.url})"

    @property
    def url(self) -> str:
        """The base URL.

        Raises:
            RuntimeError: The server is not running.
        """
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._running().port}"

    @property
    def ca_file(self) -> str | None:
        """The certificate to trust, as a PEM file that lives until `stop`; None without TLS."""
        return None if self._certificates is None else self._certificates.ca_file

    @property
    def pid(self) -> int | None:
        """The id of the server's process; None where it is not running."""
        return None if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start the server; nothing where it runs already.

        Returns:
            This handle.

        Raises:
            ImportError: `tls` without `trustme` installed.
            RuntimeError: The process ended before it listened.
        """
        if self._process is not None:
            return self
        if self._tls:
            self._certificates = Certificates()
        options = {**self._options, "tokens": [self.token, self.second_token]}
        if self._certificates is not None:
            options["certificate"] = self._certificates.server_file
        try:
            self._process = ServerProcess(options, self._certificates)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the server and remove its certificates; nothing where it is stopped already."""
        process, self._process = self._process, None
        certificates, self._certificates = self._certificates, None
        try:
            if process is not None:
                process.end()
        finally:
            if certificates is not None:
                certificates.remove()

    def _control(self, command: str, **arguments: Any) -> Any:
        return self._running().call(command, **arguments)

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise RuntimeError("the WATS server is not running; call start() or use 'with'")
        return self._process
