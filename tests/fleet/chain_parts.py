"""The processes between a station and WATS, each to be killed: a script.

python tests/fleet/chain_parts.py station FOLDER HUB NAME SECRET
python tests/fleet/chain_parts.py hub FOLDER STATIONS ADDRESS
python tests/fleet/chain_parts.py drain FOLDER SERVER TOKEN
"""

import sys
from collections.abc import Callable

import gevent

import pywats_green  # noqa: F401
from pywats_green import FolderQueue, QueueProcessor
from pywats_green.fleet.intake import Intake, IntakeClient, serve_intake


def station(folder: str, hub: str, name: str, secret: str) -> None:
    client = IntakeClient(hub, name, secret)
    QueueProcessor(folder, client, concurrency=20, backoff=(0.1, 1.0)).run()


def hub(folder: str, stations: str, address: str) -> None:
    with serve_intake(address, Intake(FolderQueue(folder), stations)):
        gevent.get_hub().join()  # until it is killed


def drain(folder: str, server: str, token: str) -> None:
    from pywats import pyWATS
    from pywats.core.throttle import configure_throttling

    configure_throttling(enabled=False)
    with pyWATS(base_url=server, token=token) as api:
        QueueProcessor(FolderQueue(folder), api, concurrency=20).run()


if __name__ == "__main__":
    parts: dict[str, Callable[..., None]] = {"station": station, "hub": hub, "drain": drain}
    parts[sys.argv[1]](*sys.argv[2:])
