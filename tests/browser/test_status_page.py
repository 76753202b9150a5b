"""The status page in a real browser; the plain requests are in tests/observe."""

from collections.abc import Iterator

import pytest
from browsing import Browser, browsing, executable
from gevent.event import Event

from pywats_green import FolderQueue, QueueProcessor, serve_status
from pywats_green.observe import history
from pywats_green.observe.board import Board

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(executable() is None, reason="needs playwright and the system's chromium"),
]

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = executable()
    assert path is not None
    with browsing(path) as found:
        yield found


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[tuple[FolderQueue, QueueProcessor]]:
    """A queue, drained by a function that refuses what is bad."""
    monkeypatch.setattr(history, "INTERVAL", 0.1)

    def submit(report):
        if report["id"] == "bad":
            raise ValueError(HOSTILE)
        return True

    queue = FolderQueue(tmp_path)
    yield queue, QueueProcessor(queue, submit, max_attempts=1)
    queue.close()


def tile(title: str) -> str:
    """Return the JavaScript for the figure above a title."""
    return (
        "[...document.querySelectorAll('.tile')]"
        f".find(one => one.querySelector('span').textContent === '{title}')"
        ".querySelector('b').textContent"
    )


def test_it_draws_and_updates(browser, hub):
    queue, processor = hub
    with serve_status("127.0.0.1:0") as page:
        browser.do("goto", page.url)
        browser.until("document.getElementById('health').textContent === 'All is well'")
        browser.until(f"{tile('reports waiting')} === '0'")
        for number in range(7):
            queue.put({"id": str(number)})
        browser.until(f"{tile('reports waiting')} === '7'")
        assert browser.do("title").startswith("7 waiting")
        processor.drain()
        browser.until(f"{tile('reports waiting')} === '0'")
        browser.until("document.querySelectorAll('#chart-submitted path.line').length === 1")
        browser.until("document.getElementById('queues').textContent.includes('7')")
        assert browser.do("errors") == []  # no policy stood in the way of its own parts


def test_what_a_report_says_is_text(browser, hub):
    queue, processor = hub
    queue.put({"id": "bad"}, item_id="bad & 'quoted'")
    processor.drain()
    with serve_status("127.0.0.1:0") as page:
        browser.do("goto", page.url)
        browser.until("document.getElementById('quarantine').querySelector('td') !== null")
        text = browser.text("#quarantine")
        assert HOSTILE in text
        assert "bad & 'quoted'" in text
        assert (
            browser.do(
                "evaluate", "document.querySelectorAll('main script, main img, main td b').length"
            )
            == 0
        )
        assert browser.do("evaluate", "String(window.hacked)") == "undefined"


def test_what_is_selected_stays_selected(browser, hub):
    queue, processor = hub
    queue.put({"id": "bad"})
    processor.drain()
    with serve_status("127.0.0.1:0") as page:
        browser.do("goto", page.url)
        browser.until("document.getElementById('quarantine').querySelector('td') !== null")
        browser.do(
            "evaluate", "getSelection().selectAllChildren(document.querySelector('#quarantine td'))"
        )
        queue.put({"id": "new"})
        browser.until(f"{tile('reports waiting')} === '1'")
        assert browser.do("evaluate", "getSelection().toString()") != ""


def test_it_outlives_a_restart(browser, hub):
    with serve_status("127.0.0.1:0") as page:
        address = page.url.removeprefix("http://").rstrip("/")
        browser.do("goto", page.url)
        browser.until("document.getElementById('health').className === 'good'")
    browser.until("document.getElementById('health').textContent.includes('does not answer')")
    with serve_status(address):
        browser.until("document.getElementById('health').className === 'good'")


def test_a_process_that_hangs_is_not_well(browser, monkeypatch):
    go, document = Event(), Board.document

    def hanging(board):
        go.wait()
        return document(board)

    monkeypatch.setattr(Board, "document", hanging)
    go.set()
    with serve_status("127.0.0.1:0") as page:
        browser.do("goto", page.url)
        browser.until("document.getElementById('health').className === 'good'")
        go.clear()
        browser.until("document.getElementById('health').textContent.includes('nothing for 10 s')")
        go.set()
        browser.until("document.getElementById('health').className === 'good'")


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_it_fits(browser, hub, width):
    queue, processor = hub
    queue.put({"id": "bad"}, item_id="x" * 100)
    processor.drain()
    browser.do("set_viewport_size", {"width": width, "height": 800})
    with serve_status("127.0.0.1:0") as page:
        browser.do("goto", page.url)
        browser.until("document.querySelector('.tile') !== null")
        assert browser.do("evaluate", "document.documentElement.scrollWidth") <= width
        size = browser.do(
            "evaluate", "parseFloat(getComputedStyle(document.querySelector('.tile b')).fontSize)"
        )
    assert size >= (50 if width == 1920 else 30)  # pixels: from three metres, and on a phone


def test_light_and_dark(browser, hub):
    colours = []
    with serve_status("127.0.0.1:0") as page:
        for scheme in ("light", "dark"):
            browser.do("emulate_media", color_scheme=scheme)
            browser.do("goto", page.url)
            colours.append(
                browser.do("evaluate", "getComputedStyle(document.body).backgroundColor")
            )
    assert colours == ["rgb(244, 246, 245)", "rgb(16, 21, 18)"]
