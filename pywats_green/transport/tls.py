"""What TLS is set up with: whom we trust and who we are."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TypedDict

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from pywats_green.config import settings
from pywats_green.exceptions import TransportSetupError


class _Socket(ssl.SSLSocket):
    """Closes itself when its handshake is broken off; gevent's does only after an OSError."""

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
        verify: Whether to verify the server's certificate and its name. A text: by the CA bundle
            at that path.
        identity: Path of the client certificate, or of it and its key. None: that of the
            settings.

    Returns:
        The context.

    Raises:
        TransportSetupError: A file of certificates cannot be read; the text names it.
    """
    context = _verifying_context(verify) if verify else _trusting_context()
    context.sslsocket_class = _Socket
    cert, key = settings().client_cert, settings().client_key
    if identity is not None:
        cert, key = (identity, None) if isinstance(identity, str) else identity
    if cert is not None:
        try:
            # An empty password fails where the key has one; without it, OpenSSL would ask for it
            # on the terminal and everything would stand still.
            context.load_cert_chain(cert, key, password="")
        except OSError as exc:
            raise TransportSetupError(f"client certificate {cert}: {exc}") from exc
    return context


def _verifying_context(verify: bool | str) -> ssl.SSLContext:
    bundle = _ca_bundle(verify if isinstance(verify, str) else None)
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


def _ca_bundle(named: str | None = None) -> _Bundle:
    """Choose the named, then our setting, then requests' variables, httpx's, certifi's."""
    environ = os.environ.get
    named = named or settings().ca_bundle
    named = named or environ("REQUESTS_CA_BUNDLE") or environ("CURL_CA_BUNDLE")
    if named:
        return {"capath": named} if Path(named).is_dir() else {"cafile": named}
    if file := environ("SSL_CERT_FILE"):
        return {"cafile": file}
    if folder := environ("SSL_CERT_DIR"):
        return {"capath": folder}
    return {"cafile": DEFAULT_CA_BUNDLE_PATH}
