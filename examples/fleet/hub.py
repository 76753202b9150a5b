"""A hub: takes reports of stations, keeps them on disk, and sends them to WATS.

    export PYWATS_GREEN_BASE_URL=... PYWATS_GREEN_TOKEN=... PYWATS_GREEN_FLEET=redis://...
    python examples/fleet/hub.py FOLDER STATIONS.json ADDRESS [CERTIFICATE.pem]

All hubs that name the same server in `PYWATS_GREEN_FLEET` share WATS' limit.
"""

import pywats_green  # isort: split

import os
import sys

from pywats import pyWATS

from pywats_green import QueueProcessor
from pywats_green.fleet.intake import Intake, serve_intake


def main(folder: str, stations: str, address: str, certificate: str | None = None) -> None:
    queue = pywats_green.FolderQueue(folder, max_reports=100_000)
    intake = Intake(queue, stations)
    base_url, token = os.environ["PYWATS_GREEN_BASE_URL"], os.environ["PYWATS_GREEN_TOKEN"]
    with (
        serve_intake(address, intake, certificate=certificate),
        pyWATS(base_url=base_url, token=token) as api,
    ):
        QueueProcessor(queue, api).run(handle_signals=True)
    intake.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
