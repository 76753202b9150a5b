"""The handle with which a test starts, drives and stops the server process."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from pywats_green.testing.certificates import Certificates
from pywats_green.testing.driver import Driver, RateLimit, checked_options, tokens_of
from pywats_green.testing.process import ServerProcess

if TYPE_CHECKING:
    from typing_extensions import Self


class WatsServer(Driver):
    """A WATS server double in a separate process, on a free port of the loopback.

    A context manager; alternatively, call `start` and `stop`. It works in a plain process and
    under gevent, where it blocks cooperatively. The seed determines its content: products
    "PN-00000" to "PN-04999" with revisions A and B, assets "AS-00000" to "AS-01999", units
    "SN-00000" to "SN-04999" (of product "PN-" number modulo 1,000), and some reports.

    Args:
        latency: Seconds that the server waits before each answer.
        jitter: Maximum seconds added at random to each latency.
        rate_limit: Requests allowed a minute, such as 500, or a pair: requests, and their window
            in seconds. More are answered with 429 and Retry-After. None: no limit.
        tls: Whether to serve HTTPS, with a generated certificate; needs `trustme`.
        seed: Seed of the content and of all random choices.
        lightweight_query: Whether products in query results lack description, XML, revisions and
            tags; otherwise they equal those of single requests.
        record: Whether to keep every request for `requests`.
        port: The port. 0: a free one.

    Attributes:
        token: The token that the server accepts: `Authorization: Basic <token>`.
        second_token: Another token that it accepts.

    Raises:
        ValueError: A time is negative, or the rate limit is not as described.
    """

    def __init__(
        self,
        latency: float = 0.0,
        jitter: float = 0.0,
        rate_limit: RateLimit | None = None,
        tls: bool = False,
        seed: int = 0,
        lightweight_query: bool = False,
        record: bool = False,
        *,
        port: int = 0,
    ) -> None:
        self._options = checked_options(
            latency, jitter, rate_limit,
            seed=seed, lightweight_query=lightweight_query, record=record, port=port,
        )  # fmt: skip
        self._tls = tls
        self._process: ServerProcess | None = None
        self._certificates: Certificates | None = None
        self.token, self.second_token = tokens_of(seed)

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
        """Return where the server listens, never its token."""
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
        """The CA certificate, a PEM file that exists until `stop`. None: no TLS."""
        return None if self._certificates is None else self._certificates.ca_file

    @property
    def pid(self) -> int | None:
        """The id of the server's process. None: it is not running."""
        return None if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start the server. Does nothing if it is already running.

        Returns:
            This handle.

        Raises:
            ImportError: `tls` was given, but `trustme` is not installed.
            RuntimeError: The process exited before it was listening, or this program is frozen:
                use `mock_wats` there.
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
        """Stop the server and remove its certificates. Does nothing if it is already stopped."""
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
