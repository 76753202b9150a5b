"""Certificates of the operating system, through truststore, in a way that suits greenlets.

`truststore.SSLContext` itself does not: imported under gevent's patch, its setters recurse; it
holds one lock during every handshake, so that a silent server stops all others; and on Linux it
reads the system's bundle anew for each connection, which takes tens of milliseconds.
"""

from __future__ import annotations

import importlib
import platform
import ssl
from typing import Any

from pywats_green.exceptions import TransportSetupError

# Where the system itself must be asked about each certificate; elsewhere OpenSSL knows the bundle.
_ASKS = platform.system() in ("Windows", "Darwin")


def system_context(socket_class: type[ssl.SSLSocket]) -> ssl.SSLContext:
    """Make a context that verifies with the operating system's certificates.

    Args:
        socket_class: The class of its sockets.

    Raises:
        TransportSetupError: truststore is not installed, or not one that this package knows.
    """
    try:
        truststore = importlib.import_module("truststore._api")
        verify, load = truststore._verify_peercerts, truststore._configure_context  # noqa: SLF001
    except (ImportError, AttributeError) as exc:
        raise TransportSetupError(
            'trust="system" needs truststore: pip install "pywats-green[trust]"'
        ) from exc
    context: ssl.SSLContext
    if _ASKS:
        context = _AskingContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify = verify
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with load(context):
            pass
    context.sslsocket_class = socket_class
    return context


class _AskingContext(ssl.SSLContext):
    """Asks the system about the server's certificates, after the handshake."""

    verify: Any

    def wrap_socket(self, sock: Any, *args: Any, **options: Any) -> ssl.SSLSocket:
        # A connection takes over the mode of its context when it is made. Nothing switches
        # meanwhile, so this needs no lock.
        self.check_hostname = False
        self.verify_mode = ssl.CERT_NONE
        try:
            wrapped = super().wrap_socket(
                sock, *args, **{**options, "do_handshake_on_connect": False}
            )
        finally:
            self.verify_mode = ssl.CERT_REQUIRED
            self.check_hostname = True
        wrapped.do_handshake()
        try:
            self.verify(wrapped, server_hostname=options.get("server_hostname"))
        except BaseException:
            wrapped.close()
            raise
        return wrapped
