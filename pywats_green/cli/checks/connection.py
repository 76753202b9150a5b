"""Opens a connection by hand, to see which address answers and whose certificate it shows."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import datetime, timezone
from typing import Any

from pywats_green.cli.checks.row import Row
from pywats_green.exceptions import TransportSetupError
from pywats_green.transport.tls import make_context

_PATIENCE = 5.0  # seconds for each address
_SOON = 14  # days

# What to do, by OpenSSL's X509_V_ERR numbers.
_EXPIRED, _WRONG_NAME = 10, 62
_UNKNOWN_ISSUER = (18, 19, 20, 21)


def opened(host: str, port: int) -> tuple[socket.socket, str]:
    """Connect to the first address that answers.

    Returns:
        The connection, and what was found.

    Raises:
        OSError: None answers, or the name has none; the message says which were tried.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:  # UnicodeError: it cannot be a name
        raise OSError(f"{host} has no address: {getattr(exc, 'strerror', None) or exc}") from exc
    silent: list[str] = []
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(_PATIENCE)
        started = time.perf_counter()
        try:
            sock.connect(address)
        except OSError as exc:
            sock.close()
            silent.append(f"{address[0]} does not answer ({exc.strerror or exc})")
            continue
        taken = (time.perf_counter() - started) * 1000
        finding = f"{address[0]} port {port} answered in {taken:.0f} ms"
        return sock, "; ".join([finding, *silent])
    raise OSError("; ".join(silent))


def tls(sock: socket.socket, host: str) -> Row:
    """Shake hands, with the trust of a new client, and say with whom.

    Args:
        sock: A connection; it is used up.
        host: The name that the certificate must have.
    """
    try:
        context = make_context(verify=True)
        with context.wrap_socket(sock, server_hostname=host) as secured:
            return _trusted(secured)
    except ssl.SSLCertVerificationError as exc:
        return Row("server-tls", "fail", f"not trusted: {exc.verify_message}", _advice(exc))
    except TransportSetupError as exc:
        return Row("server-tls", "fail", str(exc), "see the row trust")
    except OSError as exc:
        return Row("server-tls", "fail", f"no TLS there: {exc}", "check the scheme and the port")


def _advice(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "renew the server's certificate, or set the clock of this machine"
    if error.verify_code == _WRONG_NAME:
        return "use a name that the certificate has"
    if error.verify_code in _UNKNOWN_ISSUER:
        return "trust who issued it: PYWATS_GREEN_CA_BUNDLE=file.pem, or PYWATS_GREEN_TRUST=system"
    return "see trust and ca_bundle of configure"


def _trusted(secured: ssl.SSLSocket) -> Row:
    # What the server sent. Before Python 3.13 only the object below the socket has it.
    internal: Any = secured
    sent = internal._sslobj.get_unverified_chain() or []  # noqa: SLF001
    chain = [certificate.get_info() for certificate in sent]
    finding = f"{secured.version()}, trusted"
    if not chain:
        return Row("server-tls", "ok", finding)
    names = [_name(chain[0]["subject"]), *(_name(info["issuer"]) for info in chain)]
    ends = min(ssl.cert_time_to_seconds(info["notAfter"]) for info in chain)
    days = int((ends - time.time()) // 86_400)
    until = datetime.fromtimestamp(ends, timezone.utc).date()
    finding += f": {', issued by '.join(names)}; valid until {until}"
    if days < _SOON:
        return Row("server-tls", "warn", f"{finding}, {days} days", "have the certificate renewed")
    return Row("server-tls", "ok", finding)


def _name(subject: Any) -> str:
    fields = dict(pair for part in subject for pair in part)
    return str(fields.get("commonName") or fields.get("organizationName") or "?")
