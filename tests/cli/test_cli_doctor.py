"""`doctor`: its findings here, and in faulty installations."""

import json
import os
import re
import sys

import certifi
import pytest

from pywats_green import Settings
from pywats_green.__main__ import main
from pywats_green.cli.checks import SECTIONS, installation, surroundings, traps
from pywats_green.cli.checks.traps import TRAPS, look
from pywats_green.cli.checks.versions import parsed
from pywats_green.upstream.hooks.seams import RELIED_ON, SEAMS


def rows(result) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in json.loads(result.stdout)["checks"]}


def test_here_all_is_well(cli):
    result = cli("doctor", "--json", PYWATS_GREEN_TOKEN="very-secret", PYWATS_GREEN_OOPS="1")
    assert (result.returncode, result.stderr) == (0, "")
    assert "very-secret" not in result.stdout
    found = json.loads(result.stdout)
    assert found["ok"] is True
    assert found["counts"]["fail"] == 0
    assert {row["section"] for row in found["checks"]} == {section.title for section in SECTIONS}
    checks = rows(result)
    assert len(checks) == len(found["checks"]) == sum(found["counts"].values())
    for seam in (*SEAMS, *RELIED_ON):
        assert checks[seam.name]["status"] == "ok"
    assert checks["pywats"]["status"] != "fail"  # a warning with an internal release
    for name in ("python", "gevent", "active", "patched", "event-loops", "early-imports"):
        if name == "event-loops" and (sys.version_info >= (3, 14) or sys.platform == "win32"):
            continue  # a caveat there
        assert checks[name]["status"] == "ok", checks[name]
    at_once = re.search(r"the server saw (\d+) at once", checks["calls"]["finding"])
    assert at_once is not None
    assert 10 <= int(at_once[1]) <= 20
    assert checks["calls-threads"]["status"] == "ok"
    assert checks["environment"]["status"] == "warn"
    assert "PYWATS_GREEN_OOPS" in checks["environment"]["finding"]
    assert all(row["advice"] for row in found["checks"] if row["status"] != "ok")


@pytest.mark.parametrize(
    ("variables", "status", "finding"),
    [
        ({}, "ok", "certifi's bundle"),
        ({"SSL_CERT_FILE": certifi.where()}, "ok", "the certificates that SSL_CERT_FILE names"),
        (
            {"SSL_CERT_FILE": "/missing", "REQUESTS_CA_BUNDLE": certifi.where()},
            "ok",
            "the certificates that REQUESTS_CA_BUNDLE names",
        ),
        ({"REQUESTS_CA_BUNDLE": "/missing/ca.pem"}, "fail", "REQUESTS_CA_BUNDLE: CA bundle /missi"),
    ],
)
def test_it_says_whose_certificates_are_trusted(monkeypatch, variables, status, finding):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (row,) = surroundings.trust()
    assert (row.status, row.finding[: len(finding)]) == (status, finding)
    monkeypatch.setattr("pywats_green.config.in_force", Settings(trust="system"))
    monkeypatch.setitem(sys.modules, "truststore._api", None)
    (row,) = surroundings.trust()
    assert row.status == "fail"
    assert row.finding.startswith('system: trust="system" needs truststore')


def test_text(monkeypatch, capsys):
    monkeypatch.delenv("PYWATS_GREEN_TOKEN", raising=False)
    monkeypatch.setenv("PYWATS_GREEN_BASE_URL", "https://user:very-secret@example.com")
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "very-secret" not in out
    lines = out.splitlines()
    assert lines[0] == "Installed"
    assert re.search(r"  ok    active  +pywats_green", out)
    assert "  warn  environment     one of PYWATS_GREEN_BASE_URL and _TOKEN" in out
    assert lines[-1].endswith(" warn, 0 fail")


@pytest.mark.parametrize(("value", "status"), [("any-2xx", "ok"), ("all", "fail")])
def test_what_counts_as_a_receipt(monkeypatch, value, status):
    from pywats_green.cli.checks import surroundings

    monkeypatch.setenv("PYWATS_GREEN_ACCEPT", value)
    (row,) = surroundings.environment()
    assert row.status == status
    assert "PYWATS_GREEN_ACCEPT" in row.finding


def test_switched_off_it_fails(cli):
    result = cli("doctor", "--json", PYWATS_GREEN_DISABLE="1")
    assert (result.returncode, result.stderr) == (1, "")
    checks = rows(result)
    assert [name for name, row in checks.items() if row["status"] == "fail"] == ["active"]
    assert checks["active"]["advice"] == "unset PYWATS_GREEN_DISABLE"
    assert all(checks[seam.name]["finding"] == "not replaced" for seam in SEAMS)
    assert checks["calls"]["status"] == "warn"


def test_a_python_on_which_greenlets_share_a_loop(monkeypatch):
    monkeypatch.setattr(installation.running_loops, "_missing", "not tried on Python 3.14")
    (row,) = installation.event_loops()
    assert (row.status, "not tried on Python 3.14" in row.finding) == ("warn", True)


@pytest.mark.long
def test_what_ran_before_us(cli, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, time\n"
        "import urllib3\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    # Warnings are no errors here: the package itself warns of both.
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    result = cli("doctor", "--json", python=[sys.executable], PYTHONPATH=path)
    assert "ImportOrderWarning" in result.stderr
    assert result.returncode == 0
    checks = rows(result)
    assert checks["early-imports"]["status"] == "warn"
    assert checks["native-threads"]["finding"] == "1 besides the main one"


def applying(**versions: str) -> list[str]:
    """Return which traps apply to an installation with these versions."""
    found = [look(trap, versions.get) for trap in TRAPS]
    return [row.id for row in found if row.status != "ok"]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({}, []),
        ({"watchdog": "6.0.0", "httpx": "0.28.1"}, []),
        ({"watchdog": "7.1"}, []),
        ({"watchdog": "3.0.0"}, ["watchdog-hangs"]),
        ({"watchdog": "4.0.2"}, ["watchdog-hangs"]),
        ({"watchdog": "5.0.3"}, []),
        ({"httpx": "1.0.dev3"}, ["httpx-1"]),
        ({"Python": "3.13.11", "gevent": "26.9.0"}, []),
        ({"Python": "3.13.12", "gevent": "26.9.0"}, ["asyncio-to-thread"]),
        ({"Python": "3.14.2", "gevent": "26.9.0"}, []),
        ({"Python": "3.14.3", "gevent": "26.9.0"}, ["asyncio-to-thread"]),
        ({"Python": "3.15.0rc1", "gevent": "26.9.0"}, ["asyncio-to-thread"]),
        ({"Python": "3.13.0", "gevent": "26.8.0"}, ["threads-at-exit"]),
        ({"Python": "3.12.9", "gevent": "26.8.0"}, []),
    ],
)
def test_traps(versions, expected):
    assert applying(**versions) == expected


def test_only_httpx_1_fails_a_build():
    assert [trap.id for trap in TRAPS if trap.status == "fail"] == ["httpx-1"]


def test_gevent_that_is_too_old(monkeypatch):
    from pywats_green.cli.checks import installation

    monkeypatch.setattr(installation, "installed", lambda _: "26.7.0")
    (row,) = installation.gevent()
    assert (row.status, row.advice) == ("fail", "pip install 'gevent>=26.8.0'")


@pytest.mark.parametrize(
    ("system", "largest", "status"),
    [("Windows", 2**31 - 1, "fail"), ("Windows", 2**63 - 1, "ok"), ("Linux", 2**31 - 1, "ok")],
)
def test_a_python_of_32_bits_on_windows(monkeypatch, system, largest, status):
    from pywats_green.cli.checks import installation

    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr(sys, "maxsize", largest)
    (row,) = installation.python()
    assert row.status == status


@pytest.mark.parametrize("version", [None, "0.7.0rc1", "0.4.0b1"])
def test_pywats_out_of_range(monkeypatch, version):
    from pywats_green.cli.checks import installation

    monkeypatch.setattr(installation, "installed", lambda _: version)
    (row,) = installation.pywats()
    assert row.status == "fail"
    assert ">=0.5.0b6,<0.7" in row.finding


@pytest.mark.parametrize(
    ("version", "status", "server", "advice"),
    [
        ("0.5.0b6", "ok", "2025.3.9.824", ""),
        (
            "0.6.0rc1",
            "warn",
            "2026.3",
            "if your server is older: pip install 'pywats-api==0.5.0b6'",
        ),
        ("0.6.0", "ok", "2026.3", ""),
    ],
)
def test_which_server_pywats_is_for(monkeypatch, version, status, server, advice):
    from pywats_green.cli.checks import installation

    monkeypatch.setattr(installation, "installed", lambda _: version)
    (row,) = installation.pywats()
    assert (row.status, row.advice) == (status, advice)
    assert f"for WATS {server} or newer" in row.finding


def test_a_seam_that_someone_else_took(monkeypatch):
    from pywats.core.client import HttpClient

    from pywats_green.cli.checks import seams

    monkeypatch.setattr(HttpClient, "close", lambda self: None)
    monkeypatch.delattr("pywats.core.retry.should_retry")
    found = {row.id: row for row in (*seams.replaced(), *seams.relied_on())}
    assert found["pywats.core.client.HttpClient.close"].status == "fail"
    assert found["pywats.core.retry.should_retry"].finding.startswith("missing: ")
    assert sum(row.status != "ok" for row in found.values()) == 2


@pytest.mark.parametrize(
    ("present", "status"),
    [((), "ok"), (("pywats_client",), "warn"), (("pywats_client", "PySide6"), "ok")],
)
def test_pyside6(monkeypatch, present, status):
    monkeypatch.setattr(traps, "find_spec", lambda name: name if name in present else None)
    (row,) = traps.pywats_client()
    assert row.status == status


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("26.9.0", (26, 9, 0)), ("1.0.dev3", (1, 0)), ("0.6.0rc1", (0, 6, 0)), ("x", ())],
)
def test_versions_compare(text, numbers):
    assert parsed(text) == numbers
