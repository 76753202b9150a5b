"""Drives a browser: `driver.py` in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from waiting import until

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str | None:
    """Return the path of the system's chromium. None: there is none, or no playwright."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found if find_spec("playwright") else None


class Browser:
    """A page of a browser.

    Args:
        process: The driver.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def do(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of playwright's page.

        Raises:
            RuntimeError: It failed; the message says why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, arguments, options]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def until(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true."""
        # Not by the page's wait_for_function, which the page's own policy forbids.
        until(lambda: self.do("evaluate", expression))

    def text(self, selector: str) -> str:
        """Return the text of an element."""
        return str(self.do("inner_text", selector))


@contextmanager
def browsing(path: str) -> Iterator[Browser]:
    """Run a browser during the block."""
    environment = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("driver.py")), path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        try:
            yield Browser(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)
