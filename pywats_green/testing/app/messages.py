"""Requests, replies, and the errors that a handler answers with."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"
BINARY_TYPE = "application/octet-stream"

Headers = tuple[tuple[str, str], ...]


def encode_json(value: Any) -> bytes:
    """Encode a value as the compact UTF-8 JSON that WATS sends."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Reply:
    """One HTTP answer: status, body, and the headers that are not computed."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        content_type: str = JSON_TYPE,
        headers: Headers = (),
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


class HttpError(Exception):
    """Raised by a handler: answered with `status` and ASP.NET's `{"Message": ...}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_found(what: str) -> HttpError:
    """The error for a key that the state does not hold."""
    return HttpError(404, f"{what} was not found.")


def message_reply(status: int, message: str, headers: Headers = ()) -> Reply:
    """An error answer in the style of ASP.NET."""
    return Reply(encode_json({"Message": message}), status, JSON_TYPE, headers)


class Request:
    """One HTTP request, its body complete."""

    __slots__ = (
        "_query",
        "body",
        "headers",
        "keep_alive",
        "lowered",
        "method",
        "params",
        "path",
        "query_string",
        "target",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        lowered: dict[str, str],
        keep_alive: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.path, _, self.query_string = target.partition("?")
        self.headers = headers
        self.lowered = lowered
        self.keep_alive = keep_alive
        self.body = b""
        self.params: dict[str, str] = {}
        self._query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """The decoded query parameters by lower-cased name; the first of a repeated name."""
        if self._query is None:
            self._query = {}
            for name, value in parse_qsl(self.query_string, keep_blank_values=True):
                self._query.setdefault(name.lower(), value)
        return self._query

    def text(self, name: str, default: str = "") -> str:
        """A query parameter, or `default` where it is absent."""
        return self.query.get(name.lower(), default)

    def required(self, name: str) -> str:
        """A query parameter that the route cannot do without.

        Raises:
            HttpError: 400 where it is absent.
        """
        value = self.query.get(name.lower())
        if value is None:
            raise HttpError(400, f"The parameter '{name}' is required.")
        return value

    def integer(self, name: str, default: int) -> int:
        """A query parameter as a whole number, or `default` where it is absent.

        Raises:
            HttpError: 400 where it is not a whole number.
        """
        value = self.query.get(name.lower())
        if value is None:
            return default
        try:
            return int(value)
        except ValueError:
            raise HttpError(400, f"The value '{value}' is not valid for {name}.") from None

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            HttpError: 400 where it is not.
        """
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise HttpError(400, f"The request is invalid: {exc}") from None

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            HttpError: 400 where it is not.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise HttpError(400, "The request is invalid: an object was expected.")
        return value

    def json_objects(self) -> list[dict[str, Any]]:
        """The body as a JSON list of objects.

        Raises:
            HttpError: 400 where it is not.
        """
        value = self.json()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise HttpError(400, "The request is invalid: a list of objects was expected.")
        return value
