"""A hook of MkDocs for what lives above docs/: README, changelog, links and pictures."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(!?\[[^\]]*\])\((?![a-z]+:|#)([^)#\s]+)((?:#[^)\s]*)?)\)")
PICTURES = "pictures"  # where the site keeps those from outside


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lives above docs/: README, changelog, and the pictures in perf/."""
    root = Path(config.docs_dir).parent
    for name, uri in (("README.md", "index.md"), ("CHANGELOG.md", "changelog.md")):
        text = _LINK.sub(_seen_from_docs, (root / name).read_text("utf-8"))
        files.append(File.generated(config, uri, content=text))
    for picture in sorted((root / "perf" / "results").glob("*.svg")):
        uri = f"{PICTURES}/{picture.name}"
        files.append(File.generated(config, uri, content=picture.read_text("utf-8")))
    return files


def _seen_from_docs(link: re.Match[str]) -> str:
    text, path, anchor = link.groups()
    inside = path.startswith("docs/")
    return f"{text}({path.removeprefix('docs/') if inside else f'../{path}'}{anchor})"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Lead links that leave docs/ to the repository, and pictures to their copies."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def outside(link: re.Match[str]) -> str:
        text, path, anchor = link.groups()
        target = posixpath.normpath(f"{folder}/{path}")
        if target == "README.md":
            return f"{text}({posixpath.relpath('docs/index.md', folder)}{anchor})"
        if target.endswith(".ipynb") or not target.startswith("docs/"):
            if text.startswith("!"):
                up = posixpath.relpath(f"docs/{PICTURES}", folder)
                return f"{text}({up}/{posixpath.basename(target)})"
            return f"{text}({config.repo_url}/blob/main/{target}{anchor})"
        return link[0]

    return _LINK.sub(outside, markdown)
