"""What `progress=` takes."""

import io

import pytest
import rich.console
import rich.progress
from tqdm import tqdm

from pywats_green import ArgumentTypeError, FolderQueue, Pool, QueueProcessor

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
    called = []
    with pytest.raises(ArgumentTypeError, match="a tqdm bar or a rich Progress, not "):
        Pool(2).map_results(called.append, ITEMS, progress=progress)
    assert called == []
