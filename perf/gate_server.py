"""The embedded server that both revisions talk to, with the Python of HEAD's environment.

Says where it listens, then obeys commands, one a line, each answered with a line of JSON:

    latency SECONDS    how long the server waits before each answer
    requests           how many it was sent so far

    PYTHON perf/gate_server.py
"""

from __future__ import annotations

import json
import sys

from pywats_green.testing import WatsServer


def main() -> None:
    with WatsServer() as server:
        print(json.dumps({"url": server.url, "token": server.token}), flush=True)
        for line in sys.stdin:
            command, *arguments = line.split()
            if command == "latency":
                server.configure(latency=float(arguments[0]))
                print("{}", flush=True)
            else:
                print(json.dumps({"requests": server.stats()["total"]}), flush=True)


if __name__ == "__main__":
    main()
