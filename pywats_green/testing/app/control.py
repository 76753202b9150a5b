"""The requests by which the parent process drives the server; never counted, never delayed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pywats_green.testing.app.messages import HttpError, Reply, Request, encode_json
from pywats_green.testing.app.table import Table
from pywats_green.testing.app.wsjf import header_of

if TYPE_CHECKING:
    from pywats_green.testing.app.application import Application


def answer(app: Application, request: Request) -> Reply:
    """Answer a control request.

    Raises:
        HttpError: The command is unknown or its arguments are bad.
    """
    command = request.path.rpartition("/")[2]
    handler = COMMANDS.get(command)
    if handler is None:
        raise HttpError(404, f"There is no control command '{command}'.")
    arguments = request.json_object() if request.body else {}
    try:
        return Reply(encode_json(handler(app, arguments)))
    except (KeyError, TypeError, ValueError) as exc:
        raise HttpError(400, f"{type(exc).__name__}: {exc}") from exc


def _stats(app: Application, _: dict[str, Any]) -> Any:
    return app.statistics.snapshot(app.faults.struck)


def _reports(app: Application, _: dict[str, Any]) -> Any:
    return dict(app.state.accepted)


def _fail(app: Application, arguments: dict[str, Any]) -> None:
    app.faults.plant(arguments)


def _requests(app: Application, _: dict[str, Any]) -> Any:
    return [
        {
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body": base64.b64encode(request.body).decode(),
        }
        for request in app.recorded
    ]


def _clear_requests(app: Application, _: dict[str, Any]) -> None:
    app.recorded.clear()


def _reset(app: Application, _: dict[str, Any]) -> None:
    app.restore()


def _configure(app: Application, arguments: dict[str, Any]) -> None:
    app.configure(arguments)


def _seed(app: Application, arguments: dict[str, Any]) -> None:
    seeders = {
        "products": app.state.seed_products,
        "assets": app.state.seed_assets,
        "units": app.state.seed_units,
    }
    seeders[arguments["kind"]](int(arguments["count"]))


def _put_state(app: Application, arguments: dict[str, Any]) -> Any:
    table: Table = app.state.table(arguments["kind"])
    for item in arguments["objects"]:
        if not isinstance(item, dict) or any(item.get(name) is None for name in table.key):
            raise ValueError(f"an object of {arguments['kind']} needs {', '.join(table.key)}")
        table.add(item)
        if table is app.state.reports:
            app.state.headers.upsert(header_of(item))
    return len(table)


def _get_state(app: Application, arguments: dict[str, Any]) -> Any:
    return list(app.state.table(arguments["kind"]))


def _faults_clear(app: Application, _: dict[str, Any]) -> None:
    app.faults.clear()


def _drop_connections(app: Application, arguments: dict[str, Any]) -> Any:
    return app.drop_connections(reset=bool(arguments.get("reset")))


COMMANDS: dict[str, Callable[[Application, dict[str, Any]], Any]] = {
    "stats": _stats,
    "reports": _reports,
    "fail": _fail,
    "clear_faults": _faults_clear,
    "requests": _requests,
    "clear_requests": _clear_requests,
    "reset": _reset,
    "configure": _configure,
    "seed": _seed,
    "put_state": _put_state,
    "get_state": _get_state,
    "drop_connections": _drop_connections,
}
