"""TLS contexts: trusted certificates and the client certificate."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TypedDict

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from pywats_green.config import settings
from pywats_green.exceptions import TransportSetupError
from pywats_green.transport.system_trust import system_context


class _Socket(ssl.SSLSocket):
    """Closes itself when its handshake is aborted; gevent's does so only after an OSError."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: ARG002  # gevent's takes none
        try:
            super().do_handshake()
        except BaseException:
            self.close()
            raise


def make_context(
    verify: bool | str, identity: str | tuple[str, str] | None = None
) -> ssl.SSLContext:
    """Make the TLS context of a client from the settings and the environment.

    Args:
        verify: Whether to verify the server's certificate and host name. A string is the path of
            the CA bundle to verify with.
        identity: Path of the client certificate, or paths of certificate and key. None: use the
            settings.

    Returns:
        The context.

    Raises:
        TransportSetupError: A certificate file cannot be read; the message names it. Or truststore
            is not installed.
    """
    context = _verifying_context(verify) if verify else _trusting_context()
    context.sslsocket_class = _Socket
    cert, key = settings().client_cert, settings().client_key
    if identity is not None:
        cert, key = (identity, None) if isinstance(identity, str) else identity
    if cert is not None:
        try:
            # If the key is encrypted, an empty password fails; without one, OpenSSL would prompt on
            # the terminal and block everything.
            context.load_cert_chain(cert, key, password="")
        except OSError as exc:
            raise TransportSetupError(f"client certificate {cert}: {exc}") from exc
    return context


def _verifying_context(verify: bool | str) -> ssl.SSLContext:
    named = verify if isinstance(verify, str) else None
    if named is None and settings().trust == "system":
        return system_context(_Socket)
    _, bundle = _ca_bundle(named)
    try:
        return ssl.create_default_context(**bundle)
    except OSError as exc:
        raise TransportSetupError(
            f"CA bundle {bundle.get('cafile') or bundle.get('capath')}: {exc}"
        ) from exc


def _trusting_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Bundle(TypedDict, total=False):
    cafile: str
    capath: str


def trust_in_use() -> str:
    """Return whose certificates a new client trusts: "system", "certifi", or who names a bundle."""
    return "system" if settings().trust == "system" else _ca_bundle()[0]


def _ca_bundle(named: str | None = None) -> tuple[str, _Bundle]:
    """Choose the CA bundle: argument, setting, requests' variables, httpx's variables, certifi.

    Returns:
        Who names it, and the bundle.
    """
    variables = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    choices = {"verify": named, "ca_bundle": settings().ca_bundle}
    for source, path in (choices | {name: os.environ.get(name) for name in variables}).items():
        if path:
            return source, {"capath": path} if Path(path).is_dir() else {"cafile": path}
    if file := os.environ.get("SSL_CERT_FILE"):
        return "SSL_CERT_FILE", {"cafile": file}
    if folder := os.environ.get("SSL_CERT_DIR"):
        return "SSL_CERT_DIR", {"capath": folder}
    return "certifi", {"cafile": DEFAULT_CA_BUNDLE_PATH}
