"""Requests, replies, and errors raised by handlers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"
BINARY_TYPE = "application/octet-stream"

Headers = tuple[tuple[str, str], ...]


def encode_json(value: Any) -> bytes:
    """Encode a value as the compact UTF-8 JSON that WATS sends."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(slots=True)
class Reply:
    """An HTTP response: status, body, and additional headers."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Headers = ()


class HttpError(Exception):
    """Raised by a handler: answered with `status` and ASP.NET's `{"Message": ...}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_found(what: str) -> HttpError:
    """Return the error for an unknown key."""
    return HttpError(404, f"{what} was not found.")


def message_reply(status: int, message: str, headers: Headers = ()) -> Reply:
    """Return an error response in the style of ASP.NET."""
    return Reply(encode_json({"Message": message}), status, JSON_TYPE, headers)


@dataclass(slots=True)
class Request:
    """A complete HTTP request.

    Attributes:
        method: The method.
        target: The request target, undecoded.
        headers: Names and values, in their original order and case.
        lowered: The values by lower-case name.
        keep_alive: Whether the connection stays open.
        body: The body.
        params: The decoded parameters of the path.
        path: The target without its query.
        query_string: The query, undecoded.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    lowered: dict[str, str]
    keep_alive: bool
    body: bytes = b""
    params: Mapping[str, str] = field(default_factory=dict)
    path: str = field(init=False)
    query_string: str = field(init=False)
    _query: dict[str, str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.path, _, self.query_string = self.target.partition("?")

    @property
    def query(self) -> dict[str, str]:
        """The decoded query parameters by lower-case name; the first of repeated ones."""
        if self._query is None:
            self._query = {}
            for name, value in parse_qsl(self.query_string, keep_blank_values=True):
                self._query.setdefault(name.lower(), value)
        return self._query

    def text(self, name: str, default: str = "") -> str:
        """Return a path or query parameter, or `default` if it is absent."""
        if name in self.params:
            return self.params[name]
        return self.query.get(name.lower(), default)

    def required(self, name: str) -> str:
        """Return a required path or query parameter.

        Raises:
            HttpError: 400 if it is absent.
        """
        if name in self.params:
            return self.params[name]
        value = self.query.get(name.lower())
        if value is None:
            raise HttpError(400, f"The parameter '{name}' is required.")
        return value

    def integer(self, name: str, default: int) -> int:
        """Return a query parameter as an integer, or `default` if it is absent.

        Raises:
            HttpError: 400 if it is not an integer.
        """
        value = self.query.get(name.lower())
        if value is None:
            return default
        try:
            return int(value)
        except ValueError:
            raise HttpError(400, f"The value '{value}' is not valid for {name}.") from None

    def json(self) -> Any:
        """Return the body, decoded from JSON.

        Raises:
            HttpError: 400 if it is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise HttpError(400, f"The request is invalid: {exc}") from None

    def json_object(self, *needed: str) -> dict[str, Any]:
        """Return the body as a JSON object.

        Args:
            *needed: Names of required fields.

        Raises:
            HttpError: 400 if it is not an object, or a required field is missing or empty.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise HttpError(400, "The request is invalid: an object was expected.")
        need(value, *needed)
        return value

    def json_objects(self, *needed: str) -> list[dict[str, Any]]:
        """Return the body as a JSON list of objects. For `needed`, see `json_object`.

        Raises:
            HttpError: 400 if it is not one, or a required field is missing or empty.
        """
        values = self.json()
        if not isinstance(values, list) or not all(isinstance(item, dict) for item in values):
            raise HttpError(400, "The request is invalid: a list of objects was expected.")
        for item in values:
            need(item, *needed)
        return values


def need(values: dict[str, Any], *names: str) -> None:
    """Check that an object has the required fields.

    Raises:
        HttpError: 400 if a field is missing or empty.
    """
    for name in names:
        if values.get(name) in (None, ""):
            raise HttpError(400, f"The request is invalid: '{name}' is required.")
