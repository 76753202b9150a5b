"""A connection to the server that a fleet shares."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from pywats_green.causes import everything_behind
from pywats_green.redaction import Secret, without_user_info

BOUND = 1.0
"""Seconds that anything asked of the server may take, and connecting to it."""


class LinkError(Exception):
    """The server cannot be reached, does not answer in time, or refuses.

    Its text holds no credentials, and it has no cause, whose frames would.
    """


class Script:
    """A script that the server runs as one step.

    Args:
        name: Of its file in this folder.
    """

    def __init__(self, name: str) -> None:
        self.text = (Path(__file__).parent / name).read_text(encoding="utf-8")
        self.digest = hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324  # Redis' name of it


class Link:
    """A connection, for one greenlet at a time. It is made when it is first needed.

    Args:
        url: As for `configure(fleet=)`.
    """

    def __init__(self, url: str) -> None:
        self._url = Secret(url)
        self.place = place_of(url)
        self._pool: ConnectionPool | None = None
        self.connection: Any = None  # redis-py does not type what it sends and receives

    def run(self, script: Script, keys: list[str], *args: Any) -> Any:
        """Run a script.

        Raises:
            LinkError: It did not work; the connection is closed.
        """
        try:
            return self.ask("EVALSHA", script.digest, len(keys), *keys, *args)
        except NoScriptError:
            return self.ask("EVAL", script.text, len(keys), *keys, *args)

    def ask(self, *command: Any) -> Any:
        """Send a command and return the answer.

        Raises:
            LinkError: It did not work; the connection is closed.
            NoScriptError: The server does not know the script.
        """
        if self.connection is None:
            self._bounded(self._connect)
        return self._bounded(self._exchange, *command)

    def _bounded(self, do: Callable[..., Any], *arguments: Any) -> Any:
        trouble = ""
        bound = gevent.Timeout.start_new(BOUND)
        try:
            return do(*arguments)
        except NoScriptError:
            raise
        except gevent.Timeout as expired:
            self.close()
            if expired is not bound:
                raise
            trouble = f"no answer within {BOUND:g} s"
        except ResponseError as exc:
            self.close()
            trouble = f"refused: {exc}"
        except (RedisError, OSError) as exc:
            self.close()
            trouble = _reason(exc)
        except (ValueError, TypeError):  # of redis-py; its text may show a part of the URL
            self.close()
            trouble = "its host, or an option of its URL, cannot be used"
        except BaseException:  # killed: the answer would be taken for that to the next command
            self.close()
            raise
        finally:
            bound.close()
        raise LinkError(f"{self.place}: {trouble}")

    def _exchange(self, *command: Any) -> Any:
        self.connection.send_command(*command)
        return self.connection.read_response()

    def _connect(self) -> None:
        if self._pool is None:
            # By default, redis-py 5 takes any server's certificate.
            is_checked = self._url.startswith("rediss://") and "ssl_cert_reqs=" not in self._url
            self._pool = ConnectionPool.from_url(
                self._url,
                **({"ssl_check_hostname": True} if is_checked else {}),
                protocol=2,
                socket_timeout=None,  # a timer for each packet; `BOUND` covers all of them
                socket_connect_timeout=BOUND,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=0,
            )
        connection: Any = self._pool.make_connection()
        self.connection = connection
        for name in ("driver_info", "lib_name", "lib_version"):  # a round trip for each
            if hasattr(connection, name):
                setattr(connection, name, None)
        failed = gevent.spawn(self._open, connection).get()
        if failed is not None:
            raise failed

    def _open(self, connection: Any) -> Exception | None:
        """Connect where nobody kills: redis-py would not close a half-open socket."""
        try:
            connection.connect()
        except Exception as exc:  # noqa: BLE001  # raised where it is waited for
            return exc
        finally:
            if self.connection is not connection:
                connection.disconnect()
        return None

    def close(self) -> None:
        """Close the connection. The next command opens another."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.disconnect()

    def __repr__(self) -> str:
        return f"Link({self.place})"


def _reason(error: Exception) -> str:
    for each in everything_behind(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {each.verify_message}"
    return f"{type(error).__name__}: {error}"


def place_of(url: str) -> str:
    """Return the scheme, host and port of a fleet's URL, which may be shown."""
    return without_user_info(url).partition("?")[0].partition("#")[0]
