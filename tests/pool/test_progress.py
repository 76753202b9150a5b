"""What `progress=` takes."""

import io

import pytest
import rich.console
import rich.progress
from tqdm import tqdm

from pywats_green import ArgumentTypeError, FolderQueue, Pool, QueueProcessor
from pywats_green.progress import Bar

ITEMS = range(7)


def test_a_callable():
    seen = []
    Pool(2).map_results(str, ITEMS, progress=lambda *state: seen.append(state))
    assert seen == [(number, 7) for number in range(1, 8)]


def test_a_tqdm_bar():
    with tqdm(file=io.StringIO()) as bar:
        Pool(2).map_results(str, ITEMS, progress=bar)
        assert (bar.n, bar.total) == (7, 7)


def test_a_rich_display():
    console = rich.console.Console(file=io.StringIO())
    with rich.progress.Progress(console=console) as display:
        display.add_task("the user's own", total=3)
        Pool(2).map_results(str, ITEMS, progress=display)
        task = display.tasks[1]
        assert (task.completed, task.total, task.finished) == (7, 7, True)


def test_a_drain_shows_in_a_tqdm_bar(tmp_path):
    queue = FolderQueue(tmp_path)
    for number in range(5):
        queue.put({"id": str(number)})
    with tqdm(file=io.StringIO()) as bar:
        QueueProcessor(queue, lambda _: True).drain(progress=bar)
        assert (bar.n, bar.total) == (5, 5)


@pytest.mark.parametrize("progress", [None, False])
def test_none(progress, capsys):
    Pool(2).map_results(str, ITEMS, progress=progress)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("progress", ["bar", 1, object()])
def test_anything_else_is_refused_before_a_call_is_made(progress):
    called: list[object] = []
    with pytest.raises(ArgumentTypeError, match="a tqdm bar or a rich Progress, not "):
        Pool(2).map_results(called.append, ITEMS, progress=progress)
    assert called == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_of_a_terminal_ends_its_line_once():
    stream = Terminal()
    bar = Bar("sent", stream, may_grow=True)
    bar.finish()
    for step in [(0, 2), (1, 2), (2, 2), (2, 2), (2, 3)]:
        bar(*step)
    bar.finish()
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "2/3" in text
    assert text.count("\x1b[?25h") >= text.count("\x1b[?25l")  # the cursor is not lost


def test_without_a_terminal_a_bar_is_one_line():
    stream = io.StringIO()
    bar = Bar("sent", stream)
    for step in [(0, 2), (1, 2), (2, 2)]:
        bar(*step)
    assert stream.getvalue() == "sent 2/2\n"


def test_what_is_done_at_the_first_draw_has_a_rate_too():
    now = [0.0]
    stream = Terminal()
    bar = Bar("sent", stream, lambda: now[0])
    now[0] = 2.0
    bar(5, 5)
    assert "2.5/s" in stream.getvalue()


def test_at_the_end_the_rate_is_that_of_all():
    now = [0.0]
    stream = Terminal()
    bar = Bar("sent", stream, lambda: now[0])
    for second, completed in [(4.0, 4), (5.0, 104), (6.0, 300)]:  # the first took longer
        now[0] = second
        bar(completed, 300)
    assert stream.getvalue().rindex(" 50.0/s") > stream.getvalue().rindex("104/300")
