"""Collects all that a call leaves behind, and looks for secrets in it."""

from __future__ import annotations

import logging
import pickle
from base64 import b64encode
from pathlib import Path
from traceback import StackSummary, walk_tb
from urllib.parse import quote

import pytest

from pywats_green.causes import everything_behind
from pywats_green.events import RequestEvent

TOKEN = "c3RhdGlvbi03OnRva2VuLW9mLXBsYW50"  # station-7:token-of-plant
USER, PASSWORD = "base-user", "base-p@ss"
PROXY_USER, PROXY_PASSWORD = "proxy-user", "proxy-p@ss"


def _forms(user: str, password: str) -> set[str]:
    pair = f"{user}:{password}"
    encoded = {b64encode(each.encode()).decode().rstrip("=") for each in (pair, password)}
    return {user, password, quote(password, safe=""), *encoded}


SECRETS = {
    TOKEN, quote(TOKEN, safe=""), "token-of-plant", b64encode(TOKEN.encode()).decode().rstrip("="),
    *_forms(USER, PASSWORD), *_forms(PROXY_USER, PROXY_PASSWORD),
}  # fmt: skip


def with_user_info(url: str, user: str = USER, password: str = PASSWORD) -> str:
    return url.replace("://", f"://{user}:{quote(password, safe='')}@", 1)


class Leaks:
    """What was shown, by where.

    Args:
        tests: The files whose frames are the user's own, whose locals may have the secrets.
    """

    def __init__(self, *tests: str) -> None:
        self._tests = {*tests, __file__}
        self._shown: list[tuple[str, str]] = []

    def see(self, where: str, *values: object) -> None:
        self._shown += [(where, form) for value in values for form in (str(value), repr(value))]

    def see_event(self, event: RequestEvent) -> None:
        for name in RequestEvent.__slots__:
            self.see(f"event.{name}", getattr(event, name))
        self.see("event", event)
        if event.error is not None:
            self.see_error(event.error)

    def see_error(self, error: BaseException) -> None:
        for each in everything_behind(error):
            name = type(each).__name__
            self.see(name, each, each.args, vars(each))
            self._see_locals(name, each)
            self._see_pickle(name, each)

    def _see_locals(self, name: str, error: BaseException) -> None:
        stack = StackSummary.extract(walk_tb(error.__traceback__), capture_locals=True)
        for frame in stack:
            if frame.filename not in self._tests:
                for local, value in (frame.locals or {}).items():
                    self.see(f"{name} at {frame.filename}:{frame.lineno}: {local}", value)

    def _see_pickle(self, name: str, error: BaseException) -> None:
        try:
            data = pickle.dumps(error)
        except Exception:  # noqa: BLE001  # whatever cannot be pickled raises
            return
        self.see(f"pickled {name}", data.decode("latin-1"))

    def see_files(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            self.see("file name", path)
            if path.is_file():
                self.see(str(path), path.read_text("utf-8", "replace"))

    def see_log(self, records: list[logging.LogRecord]) -> None:
        for record in records:
            self.see(f"log {record.name}", record.getMessage(), record.args, vars(record))
            if record.exc_info and record.exc_info[1] is not None:
                self.see_error(record.exc_info[1])

    def check(self, capfd: pytest.CaptureFixture[str]) -> None:
        printed = capfd.readouterr()
        self.see("stdout", printed.out)
        self.see("stderr", printed.err)
        lines = {
            f"{where}: {secret}"
            for where, text in self._shown
            for secret in SECRETS
            if secret in text
        }
        if lines:
            pytest.fail("\n".join(sorted(lines)), pytrace=False)
