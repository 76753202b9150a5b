"""Serves an intake from this process, without gunicorn."""

from __future__ import annotations

import logging
import ssl

from pywats_green.exceptions import InvalidArgumentError
from pywats_green.fleet.intake.application import Intake
from pywats_green.wsgi import Server, is_loopback, parse_address

logger = logging.getLogger("pywats_green.fleet.intake")

_CLIENTS = 500  # at once


def serve_intake(
    address: str,
    intake: Intake,
    *,
    certificate: str | None = None,
    key: str | None = None,
    tls_elsewhere: bool = False,
) -> Server:
    """Serve an intake from this process, until the result is closed.

    Args:
        address: Where to listen, such as "0.0.0.0:8443". Port 0: a free one.
        intake: The intake.
        certificate: Path of the certificate chain, as PEM. None: HTTP.
        key: Path of its private key. None: it is with the certificate.
        tls_elsewhere: Whether to listen beyond this machine without TLS, because a proxy before it
            has it.

    Returns:
        The server: `.url`, `.close()`; a context manager.

    Raises:
        InvalidArgumentError: The address is not one; or other machines could reach it without TLS,
            which would show their secrets.
        OSError: It cannot listen there, or the certificate cannot be read.
    """
    host, port = parse_address(address)
    if certificate is None and not (tls_elsewhere or is_loopback(host)):
        raise InvalidArgumentError(
            f"{address} would take the stations' secrets in clear: pass certificate=, or "
            "tls_elsewhere=True behind a proxy that has it"
        )
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
    return Server(host, port, intake, logger=logger, clients=_CLIENTS, tls=tls)
