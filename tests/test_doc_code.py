"""The documents' Python runs: the blocks of each one after another, on the embedded server."""

import re
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import pywats

from pywats_green import config, events
from pywats_green.patching import running_loops
from pywats_green.testing import WatsServer

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs" / "guides").glob("*.md")])

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_run(
    document: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: WatsServer,
    request: pytest.FixtureRequest,
) -> None:
    if document.name == "asyncio.md" and (reason := running_loops.missing()) is not None:
        pytest.skip(f"greenlets share a loop here: {reason}")

    if document.name == "pandas.md":
        pytest.importorskip("pandas")

    class OnEmbedded(pywats.pyWATS):
        """Is what the documents import, but goes to the embedded server."""

        def __init__(self, **given: Any) -> None:
            super().__init__(**{**given, "base_url": server.url, "token": server.token})

    monkeypatch.setattr(pywats, "pyWATS", OnEmbedded)
    monkeypatch.setattr(config, "in_force", config.settings())  # put back what they configure
    monkeypatch.setattr(events, "listeners", events.listeners)
    monkeypatch.setattr(prometheus_client, "REGISTRY", prometheus_client.CollectorRegistry())
    monkeypatch.chdir(tmp_path)
    request.addfinalizer(lambda: config.configure(tracing=False, log_calls=False))
    names: dict[str, Any] = {"__name__": "document"}  # what waits for signals is under `__main__`
    text = document.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        lines_above = "\n" * (text[: block.start(1)].count("\n"))
        code = block[1].replace("/var/lib/station/", "")
        exec(compile(lines_above + code, document, "exec"), names)  # noqa: S102
