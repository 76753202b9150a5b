"""What a result depends on: machine, versions, revision, load."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "pywats-green", "pywats-api", "gevent", "greenlet", "requests", "urllib3", "httptools",
    "httpx", "cachetools", "aiohttp", "grequests", "pydantic", "pytest-benchmark",
)  # fmt: skip
GENERATED = (":!perf/results", ":!docs/figures.md")  # changed by the run itself


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607  # git from the PATH
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def fingerprint() -> dict[str, Any]:
    """Describe machine and software. Call it before the run, which adds load."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": versions(),
        "revision": git("rev-parse", "HEAD"),
        "dirty": git("status", "--porcelain", "--", ".", *GENERATED) != "",
        "load_before": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }
