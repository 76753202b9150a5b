"""Secrets that do not show themselves, and tracebacks without the frames of libraries."""

from __future__ import annotations

import copy
import http.client
import io
import json
import pickle
from traceback import walk_tb
from types import TracebackType

import pytest
from typed import present

from pywats_green import config
from pywats_green.redaction import Secret, guarded, guarded_url, without_frames, without_user_info


def test_a_secret_is_a_str_but_for_its_repr() -> None:
    secret = Secret("Basic abc")
    assert (repr(secret), f"{secret!r}", repr([secret])) == ("***", "***", "[***]")
    assert (str(secret), f"{secret}", secret + "d") == ("Basic abc", "Basic abc", "Basic abcd")
    assert secret == "Basic abc"
    named: dict[str, int] = {secret: 1}
    assert named["Basic abc"] == 1
    assert json.dumps(secret) == '"Basic abc"'
    for other in (pickle.loads(pickle.dumps(secret)), copy.deepcopy(secret), secret.strip()):
        assert (other, repr(other)) == (secret, "***")
    assert repr(Secret("http://x/").rstrip("/")) == "***"


def test_headers_with_credentials_are_guarded() -> None:
    given = {"authorization": "a", "Proxy-Authorization": "b", "COOKIE": "c", "Accept": "d"}
    headers = guarded(given)
    assert headers == given
    assert list(map(repr, headers.values())) == ["***", "***", "***", "'d'"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host/a", "http://host/a"),
        ("http://host:8080/a@b", "http://b"),  # or the password would be "8080/a"
        ("http://host/a@b", "http://host/a@b"),
        ("http://user:word@host/a", "http://host/a"),
        ("http://user@host", "http://host"),
        ("http://user:w@rd@host:1/a", "http://host:1/a"),
        ("http://user:wo/rd@host/a", "http://host/a"),
        ("user:word@host", "host"),
        ("", ""),
    ],
)
def test_user_info_is_left_out(url: str, shown: str) -> None:
    assert without_user_info(url) == shown
    assert (repr(guarded_url(url)) == "***") == (url != shown)


def names_of(trace: TracebackType | None) -> list[str]:
    return [frame.f_globals["__name__"].partition(".")[0] for frame, _ in walk_tb(trace)]


class NoSocket(io.BytesIO):
    def makefile(self, *_: object) -> NoSocket:
        return self


def test_frames_of_libraries_are_left_out_of_the_whole_chain() -> None:
    def fail() -> None:
        try:
            http.client.HTTPResponse(NoSocket(b"hello\r\n")).begin()  # type: ignore[arg-type]
        except http.client.BadStatusLine as exc:
            raise ValueError from exc

    with pytest.raises(ValueError, match="^$") as caught:
        try:
            fail()
        except ValueError as exc:
            cause = exc.__cause__
            assert cause is not None
            assert "http" in names_of(cause.__traceback__)
            without_frames(exc)
            raise
    here = __name__.partition(".")[0]
    assert set(names_of(caught.value.__traceback__)) == {here}
    assert names_of(present(cause).__traceback__) == [here]


def test_an_error_that_is_its_own_cause_ends() -> None:
    first, second = ValueError(), TypeError()
    first.__cause__, second.__context__ = second, first
    assert without_frames(first) is first


def test_the_environment_shows_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYWATS_GREEN_TOKEN", "abc")
    monkeypatch.setenv("PYWATS_GREEN_BASE_URL", "http://user:word@host")
    monkeypatch.setenv("PYWATS_GREEN_STATUS_PASSWORD", "ghi")
    monkeypatch.setenv("OTHER_TOKEN", "def")
    found = config.environment()
    assert found["PYWATS_GREEN_TOKEN"] == "abc"
    assert not {"OTHER_TOKEN"} & found.keys()
    assert not any(secret in repr(found) for secret in ("abc", "word", "def", "ghi"))
