"""A temporary certificate authority for one server."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from pathlib import Path


class Certificates:
    """Makes a CA and a server certificate for the loopback, with `trustme`.

    Raises:
        ImportError: `trustme` is not installed.
    """

    def __init__(self) -> None:
        try:
            import trustme  # noqa: PLC0415 (only TLS needs it)
        except ImportError as exc:
            raise ImportError(
                "WatsServer(tls=True) needs trustme for its certificate: pip install trustme"
            ) from exc
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        self._folder = Path(tempfile.mkdtemp(prefix="pywats-green-"))
        self.ca_file = str(self._folder / "ca.pem")
        self.server_file = str(self._folder / "server.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        certificate.private_key_and_cert_chain_pem.write_to_path(self.server_file)

    def client_context(self) -> ssl.SSLContext:
        """Return a context that trusts the server."""
        return ssl.create_default_context(cafile=self.ca_file)

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self._folder, ignore_errors=True)
