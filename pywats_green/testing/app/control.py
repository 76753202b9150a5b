"""Control requests, by which the parent drives the server; neither counted nor delayed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from pywats_green.testing.app.application import Application
from pywats_green.testing.app.messages import HttpError, Reply, Request, encode_json, message_reply
from pywats_green.testing.app.seed import items
from pywats_green.testing.app.wsjf import header_of

PREFIX = "/__control__/"
SEEDERS = {"products": items.products, "assets": items.assets, "units": items.units}


def is_control(request: Request) -> bool:
    """Return whether this is a control request."""
    return request.path.startswith(PREFIX)


def answer(app: Application, request: Request) -> Reply:
    """Answer a control request: 404 for an unknown command, 400 for bad arguments."""
    command = request.path.removeprefix(PREFIX)
    handler = COMMANDS.get(command)
    if handler is None:
        return message_reply(404, f"There is no control command '{command}'.")
    try:
        arguments = request.json_object() if request.body else {}
        return Reply(encode_json(handler(app, arguments)))
    except (HttpError, KeyError, TypeError, ValueError) as exc:
        return message_reply(
            400, f"{command}: {exc}" if isinstance(exc, ValueError) else f"{command}: {exc!r}"
        )


def _requests(app: Application) -> list[dict[str, Any]]:
    return [
        {
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body": base64.b64encode(request.body).decode(),
        }
        for request in app.recorded
    ]


def _seed(app: Application, kind: str, count: int) -> None:
    app.state[kind].seed_with(SEEDERS[kind](count, app.seed))


def _put_state(app: Application, kind: str, objects: list[Any]) -> int:
    table = app.state[kind]
    for item in objects:
        if not isinstance(item, dict) or any(item.get(name) is None for name in table.key):
            raise ValueError(f"an object of {kind} needs {', '.join(table.key)}")
        table.add(item)
        if kind == "reports":
            app.state["headers"].upsert(header_of(item))
    return len(table)


COMMANDS: dict[str, Callable[[Application, dict[str, Any]], Any]] = {
    "stats": lambda app, _: app.statistics.snapshot(app.faults.struck),
    "reports": lambda app, _: app.state.accepted,
    "fail": lambda app, arguments: app.faults.plant(arguments),
    "clear_faults": lambda app, _: app.faults.clear(),
    "requests": lambda app, _: _requests(app),
    "clear_requests": lambda app, _: app.recorded.clear(),
    "reset": lambda app, _: app.restore(),
    "configure": lambda app, arguments: app.configure(arguments),
    "seed": lambda app, arguments: _seed(app, **arguments),
    "put_state": lambda app, arguments: _put_state(app, **arguments),
    "get_state": lambda app, arguments: list(app.state[arguments["kind"]]),
    "drop_connections": lambda app, arguments: app.drop_connections(**arguments),
}
