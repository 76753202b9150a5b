"""A station: its reports are on its own disk until a hub has them. It holds no token of WATS.

    export STATION_SECRET=...
    python examples/fleet/station.py FOLDER https://hub:8443 station-7

Whatever makes the reports puts them into the same folder: `FolderQueue(FOLDER).put(report)`.
"""

import pywats_green  # isort: split

import os
import sys

from pywats_green.fleet.intake import IntakeClient


def main(folder: str, hub: str, name: str) -> None:
    client = IntakeClient(hub, name, os.environ["STATION_SECRET"])
    pywats_green.QueueProcessor(folder, client).run(handle_signals=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
