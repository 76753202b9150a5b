import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from pywats_green import Settings, SettingsError, configure, settings
from pywats_green.config import from_environment


@pytest.fixture(autouse=True)
def restored():
    before = settings()
    yield
    configure(**{field.name: getattr(before, field.name) for field in dataclasses.fields(before)})


def test_defaults() -> None:
    assert Settings() == Settings(
        keepalive_expiry=30.0,
        max_answer_bytes=268_435_456,
        dns_ttl=60.0,
        ca_bundle=None,
        client_cert=None,
        client_key=None,
    )


def test_both_tables_list_every_setting_once_with_its_default() -> None:
    guide = (Path(__file__).parents[1] / "docs/guides/getting-started.md").read_text("utf-8")
    defaults = dataclasses.asdict(Settings())
    rows = [f"| `{name}` | {default} |" for name, default in defaults.items()]
    for text in (guide, configure.__doc__ or ""):
        assert [row for row in rows if text.count(row) != 1] == []


def test_configure_changes_one_and_keeps_the_rest() -> None:
    assert configure(dns_ttl=5) is settings()
    assert settings() == Settings(dns_ttl=5)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings().dns_ttl = 1  # type: ignore[misc]


def test_an_unknown_name_is_refused_and_nothing_changes() -> None:
    before = settings()
    with pytest.raises(SettingsError, match="unknown setting dns_tll: choose from .*dns_ttl"):
        configure(dns_tll=1, keepalive_expiry=9)  # type: ignore[call-arg]
    assert settings() is before


@pytest.mark.parametrize(
    "change",
    [
        {"dns_ttl": -1},
        {"dns_ttl": "60"},
        {"dns_ttl": None},
        {"dns_ttl": True},
        {"dns_ttl": float("inf")},
        {"keepalive_expiry": float("nan")},
        {"ca_bundle": ""},
        {"ca_bundle": 5},
        {"trust": "certifi"},
        {"trust": "system", "ca_bundle": "ca.pem"},
        {"client_key": "key.pem"},
        {"transport": "httpx"},
        {"transport": ""},
        {"transport": None},
        {"bulk_writes": 1},
        {"bulk_writes": "true"},
        {"bulk_writes": None},
        {"pool_reuse": 0},
        {"admission_timeout": 0},
        {"admission_timeout": -1.0},
        {"admission_timeout": float("inf")},
        {"admission_timeout": float("nan")},
        {"admission_timeout": True},
        {"wait_for_server": -1},
        {"wait_for_server": None},
    ],
)
def test_a_bad_value_is_refused_at_once(change: dict[str, Any]) -> None:
    before = settings()
    with pytest.raises(SettingsError, match=next(iter(change))):
        configure(**change)
    assert settings() is before


def test_settings_can_be_copied_hashed_and_written_down() -> None:
    configure(ttl={"process": 60.0})
    found = settings()
    assert dataclasses.asdict(found)["ttl"] == {"process": 60.0}
    assert pickle.loads(pickle.dumps(found)) == copy.deepcopy(found) == found
    assert len({found, copy.copy(found)}) == 1


@pytest.mark.parametrize("ttls", [{"prodct": 1}, {"product": -1}, 5, {"product": "long"}])
def test_bad_ttls_are_refused(ttls: Any) -> None:
    with pytest.raises(SettingsError, match="ttl"):
        configure(ttl=ttls)


def test_environment() -> None:
    found = from_environment(
        {
            "PYWATS_GREEN_DNS_TTL": "5",
            "PYWATS_GREEN_CA_BUNDLE": "",
            "PYWATS_GREEN_CLIENT_CERT": "cert.pem",
            "PYWATS_GREEN_CLIENT_KEY": "key.pem",
            "PYWATS_GREEN_TTL": "process=3600, asset=0",
            "PYWATS_GREEN_BULK_WRITES": "true",
            "PYWATS_GREEN_POOL_REUSE": "0",
            "PYWATS_GREEN_ADMISSION_TIMEOUT": "90",
            "PYWATS_GREEN_WAIT_FOR_SERVER": "30",
            "DNS_TTL": "7",
        }
    )
    assert found == Settings(
        dns_ttl=5.0,
        client_cert="cert.pem",
        client_key="key.pem",
        ttl={"process": 3600.0, "asset": 0.0},
        bulk_writes=True,
        pool_reuse=False,
        admission_timeout=90.0,
        wait_for_server=30.0,
    )


@pytest.mark.parametrize(
    ("text", "flag"), [("1", True), ("True", True), ("0", False), ("FALSE", False), ("", False)]
)
def test_a_flag_in_the_environment(text: str, flag: bool) -> None:
    assert from_environment({"PYWATS_GREEN_BULK_WRITES": text}).bulk_writes is flag


@pytest.mark.parametrize("text", ["yes", "2", "on please"])
def test_a_flag_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match="PYWATS_GREEN_BULK_WRITES=.*choose from 1, true"):
        from_environment({"PYWATS_GREEN_BULK_WRITES": text})


@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_a_bad_variable_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=f"PYWATS_GREEN_DNS_TTL='{text}'"):
        from_environment({"PYWATS_GREEN_DNS_TTL": text})
