"""Makes the pictures in docs/images anew: `make pictures`. Needs playwright and chromium."""

# pywats_green is imported first; a command prints

import io
import os
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import gevent

import pywats_green

sys.path.insert(0, str(Path(__file__).parent.parent))  # for `waiting`

from browsing import browsing, executable
from pywats import pyWATS
from pywats.core.throttle import configure_throttling
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from waiting import until

from pywats_green.cli import demo, drain
from pywats_green.cli.checks import SECTIONS, server
from pywats_green.cli.demo_output import print_result
from pywats_green.cli.doctor import print_findings
from pywats_green.cli.queue.panel import render
from pywats_green.observe import board, history
from pywats_green.testing import WatsServer
from pywats_green.upstream.client.limits import limit_statistics

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
SHOWN = ("Installed", "Surroundings", "Live")  # the others are long

THEME = TerminalTheme(
    (16, 21, 18), (232, 239, 235),
    [(16, 21, 18), (255, 138, 128), (79, 209, 139), (240, 184, 73), (122, 162, 247),
     (187, 154, 247), (125, 207, 255), (232, 239, 235)],
)  # fmt: skip


def report(number: int, **changes: object) -> dict[str, object]:
    """Return a report of a made-up station."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012}", "type": "T", "pn": "PN-00001",
        "sn": f"SN-{number:05}", "rev": "A", "processCode": 100, "result": "P",
        "machineName": "Station 4", "location": "Line 2", "purpose": "Production",
        "start": "2026-01-01T00:00:00+00:00",
        "root": {"id": 0, "group": "M", "stepType": "SequenceCall", "name": "x", "status": "P"},
        **changes,
    }  # fmt: skip


def terminal(command: str) -> Console:
    """Return a console that records, and shows a command as typed."""
    console = Console(
        file=io.StringIO(), record=True, width=96, force_terminal=True, color_system="truecolor",
        highlight=False, markup=False, legacy_windows=False,
    )  # fmt: skip
    console.print(f"$ {command}", style="bold")
    return console


def save(console: Console, name: str) -> None:
    """Write what a console has recorded."""
    path = IMAGES / f"{name}.svg"
    text = console.export_svg(title="pywats-green", theme=THEME, unique_id=name)
    text = re.sub(r"@font-face \{.*?\}\s*", "", text, flags=re.DOTALL)  # from another server
    path.write_text(re.sub(r"<!--.*?-->\s*", "", text), encoding="utf-8")
    print(path)


def picture_demo() -> None:
    """The demo on the embedded server."""
    console = terminal("pywats-green demo")
    print_result(console, demo.on_embedded_server(demo.Options(300, 50, 0.05, False)))
    save(console, "demo")


def picture_doctor() -> None:
    """The doctor, with the checks of a server."""
    console = terminal("pywats-green doctor --server")
    sections = [(one.title, one.checks) for one in SECTIONS if one.title in SHOWN]
    with WatsServer(latency=0.02, tls=True) as wats:
        pywats_green.configure(ca_bundle=wats.ca_file)
        os.environ.update(PYWATS_GREEN_BASE_URL=wats.url, PYWATS_GREEN_TOKEN=wats.token)
        sections.append(("Server", server.checks()))
        found = [
            (title, [row for check in checks for row in check()]) for title, checks in sections
        ]
        print_findings(console, found)
    save(console, "doctor")


def draining(wats: WatsServer) -> None:
    """A queue that is drained, as seen on a terminal and on the status page."""
    board.socket = SimpleNamespace(gethostname=lambda: "hub-4")  # type: ignore[assignment]
    console = terminal("pywats-green drain reports --watch --status 127.0.0.1:8080")
    history.INTERVAL = 0.5
    with ExitStack() as stack:
        api = stack.enter_context(pyWATS(base_url=wats.url, token=wats.token))
        queue = pywats_green.FolderQueue("reports")
        page = stack.enter_context(pywats_green.serve_status("127.0.0.1:0"))
        path = executable()
        if path is None:
            raise SystemExit("it needs playwright and chromium")
        browser = stack.enter_context(browsing(path))
        processor = pywats_green.QueueProcessor(queue, api, concurrency=10)
        for number in range(700):
            queue.put(report(number))
        wats.fail("POST /api/Report/WSJF", status=400, times=2)
        wats.fail("GET /api/Asset/{idOrSerialNumber}", status=503, times=1)
        started = time.monotonic()
        gevent.spawn(processor.run)
        for number in range(40):
            with_errors = gevent.spawn(api.asset.get_asset_by_serial, f"AS-{number:05}")
            api.product.get_product(f"PN-{number % 10:05}")
            with_errors.join()
        until(lambda: processor.stats()["submitted"] > 350)
        console.print("watching reports; Ctrl-C ends it\nstatus page: http://127.0.0.1:8080/")
        console.print(render(processor.stats(), limit_statistics()))
        browser.do("goto", page.url)
        for name, scheme, width in (
            ("status-light", "light", 1280), ("status-dark", "dark", 1280),
            ("status-phone", "dark", 390),
        ):  # fmt: skip
            browser.do("set_viewport_size", {"width": width, "height": 800})
            browser.do("emulate_media", color_scheme=scheme)
            browser.until("document.querySelector('#chart-depth path.line') !== null")
            browser.do("screenshot", path=str(IMAGES / f"{name}.png"), full_page=width > 1000)
            print(IMAGES / f"{name}.png")
        until(lambda: processor.stats()["depth"] == 0 and processor.stats()["in_flight"] == 0)
        processor.stop()
        done = processor.stats()
        console.print("stopping, up to 30 s; again to stop now")
        seconds = time.monotonic() - started
        summary = pywats_green.DrainSummary(
            done["submitted"], done["retried"], done["quarantined"], 0, None, seconds,
            done["submitted"] / seconds,
        )  # fmt: skip
        drain.print_summary(console, summary)
        save(console, "drain")
        queue.close()


def main() -> None:
    """Make them all."""
    for name in [name for name in os.environ if re.search("proxy|ca_bundle|ssl_", name.lower())]:
        del os.environ[name]
    picture_doctor()
    picture_demo()
    configure_throttling(max_requests=500, window_seconds=60)
    with tempfile.TemporaryDirectory() as folder, WatsServer(latency=0.08) as wats:
        os.chdir(folder)
        draining(wats)


if __name__ == "__main__":
    main()
