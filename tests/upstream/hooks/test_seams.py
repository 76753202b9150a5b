import asyncio
import contextlib
import importlib
import inspect
import pkgutil
import sys
import warnings
from functools import partial
from importlib import metadata
from typing import Any

import gevent
import pytest
import pywats
from pywats import pyWATS
from typed import present, private

import pywats_green
from pywats_green import EventLoopRequiredError, UnsupportedPywatsError
from pywats_green.testing import WatsServer
from pywats_green.upstream.hooks import seams, versions


@pytest.fixture
def reinstalled():
    yield
    pywats_green.install()


def _current(seam: seams.Seam) -> object:
    holder, name = seams._holder(seam)
    return inspect.getattr_static(holder, name)


def test_uninstall_puts_everything_back_and_install_again(reinstalled: None) -> None:
    replaced = {seam.name: _current(seam) for seam in seams.SEAMS}
    pywats_green.uninstall()
    assert not pywats_green.is_active()
    originals = {seam.name: _current(seam) for seam in seams.SEAMS}
    for name, original in originals.items():
        assert original is not replaced[name]
        assert not original.__module__.startswith("pywats_green"), name
    pywats_green.uninstall()
    pywats_green.install()
    pywats_green.install()
    assert pywats_green.is_active()
    for seam in seams.SEAMS:
        assert _current(seam) is not originals[seam.name], seam.name


def test_a_client_made_before_uninstall_says_that_it_must_not_be_used(
    run_python,
    server: WatsServer,
) -> None:
    """In a separate process, because upstream leaves an event loop running."""
    done = run_python(
        "import asyncio, sys, pywats_green\n"
        "from pywats import pyWATS\n"
        "api = pyWATS(base_url=sys.argv[1], token=sys.argv[2])\n"
        "pywats_green.uninstall()\n"
        # Upstream's loop waits in a greenlet, which the default one of Windows does natively.
        "if sys.platform == 'win32':\n"
        "    asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())\n"
        "try:\n    api.product.get_product('PN-00001')\n"
        "except Exception as exc:\n    print(exc)\n",
        server.url,
        server.token,
        warnings="default",
    )
    assert "create a new client" in done.stdout, done.stderr


def test_awaiting_a_green_client_on_a_loop_says_what_to_do(server: WatsServer) -> None:
    api = pyWATS(base_url=server.url, token=server.token)
    with pytest.raises(EventLoopRequiredError, match="cannot be awaited on an event loop"):
        asyncio.run(private(api.product)._async.get_product("PN-00001"))


def test_a_green_call_inside_a_running_loop_works(server: WatsServer) -> None:
    api = pyWATS(base_url=server.url, token=server.token)

    async def main() -> str:
        return str(present(api.product.get_product("PN-00001")).part_number)

    assert asyncio.run(main()) == "PN-00001"


def test_gevents_timers_are_watched_until_uninstall(reinstalled: None) -> None:
    assert hasattr(gevent.Timeout.start, "__wrapped__")
    pywats_green.uninstall()
    own = gevent.Timeout.start
    assert not hasattr(own, "__wrapped__")
    pywats_green.install()
    pywats_green.install()
    pywats_green.uninstall()
    assert gevent.Timeout.start is own


def test_another_patch_of_gevents_timers_stays(reinstalled: None) -> None:
    pywats_green.uninstall()
    timeout: Any = gevent.Timeout
    own = timeout.start
    pywats_green.install()
    somebodys = timeout.start = partial(timeout.start)
    try:
        pywats_green.uninstall()
        assert timeout.start is somebodys
    finally:
        timeout.start = own


def _modules_of_pywats() -> list[str]:
    return [
        info.name
        for info in pkgutil.walk_packages(pywats.__path__, "pywats.")
        if not info.name.startswith("pywats.tools")
    ]


def test_no_copy_by_value_of_a_replaced_name_is_missed(reinstalled: None) -> None:
    """A module that did `from x import name` earlier keeps a reference to the original."""
    pywats_green.uninstall()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of upstream, about its own modules
        for name in _modules_of_pywats():
            with contextlib.suppress(ImportError):  # an optional part, its dependency missing
                importlib.import_module(name)
    originals = {id(_current(seam)): seam.name for seam in seams.SEAMS if "." not in seam.path}
    table = {(seam.module, seam.path) for seam in seams.SEAMS}
    # Defined or exported there, but not used by blocking calls.
    harmless = {
        ("pywats.core.async_client", "AsyncHttpClient"),  # the definition; AsyncWATS needs it
        ("pywats.core", "AsyncHttpClient"),  # its export, for users
        ("pywats.async_wats", "AsyncHttpClient"),  # AsyncWATS is left untouched
    }
    missed = [
        f"{module.__name__}.{name} ({originals[id(value)]})"
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").split(".")[0].startswith("pywats")
        for name, value in list(vars(module).items())
        if id(value) in originals
        and (module.__name__, name) not in table | harmless
        and not module.__name__.startswith("pywats_green")
    ]
    assert not missed


@pytest.mark.parametrize("seam", [*seams.SEAMS, *seams.RELIED_ON], ids=lambda seam: seam.name)
def test_a_missing_seam_is_named_and_nothing_is_touched(
    seam: seams.Seam, monkeypatch: pytest.MonkeyPatch, reinstalled: None
) -> None:
    pywats_green.uninstall()
    before = {s.name: _current(s) for s in seams.SEAMS if s.name != seam.name}
    holder, name = seams._holder(seam)
    with monkeypatch.context() as patch:
        patch.delattr(holder, name)
        with pytest.raises(UnsupportedPywatsError) as caught:
            pywats_green.install()
    text = str(caught.value)
    assert f"{seam.name} is not as expected: missing" in text
    assert metadata.version("pywats-api") in text
    assert ">=0.5.0b6,<0.7" in text
    assert not pywats_green.is_active()
    assert {s.name: _current(s) for s in seams.SEAMS if s.name != seam.name} == before


def test_a_seam_with_another_signature_is_refused(
    monkeypatch: pytest.MonkeyPatch, reinstalled: None
) -> None:
    pywats_green.uninstall()
    with monkeypatch.context() as patch:
        patch.setattr("pywats.pywats._run_sync", lambda coro, loop: None)
        with pytest.raises(UnsupportedPywatsError, match=r"its parameters are \(coro, loop\)"):
            pywats_green.install()
    assert not pywats_green.is_active()


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("0.5.0b5", False), ("0.5.0b6", True), ("0.5.0rc1", True), ("0.5.0", True),
        ("0.5.3", True), ("0.6.0rc1", True), ("0.6.9", True), ("0.7.0a1", False),
        ("0.7.0", False), ("0.7", False), ("1.0", False), ("0.4.0b1", False), ("nonsense", False),
    ],
)  # fmt: skip
def test_range_of_versions(version: str, supported: bool) -> None:
    assert versions.is_supported(version) is supported


def test_a_version_out_of_range_is_refused(
    monkeypatch: pytest.MonkeyPatch, reinstalled: None
) -> None:
    pywats_green.uninstall()
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda _: "0.8.0")
        with pytest.raises(
            UnsupportedPywatsError, match=r"0\.8\.0 is installed.*>=0\.5\.0b6,<0\.7"
        ):
            pywats_green.install()
    with monkeypatch.context() as patch:
        patch.setattr(versions, "DISTRIBUTION", "pywats-api-that-is-not-there")
        assert versions.installed_version() == pywats.__version__  # as in a frozen program
        patch.setitem(sys.modules, "pywats", None)
        with pytest.raises(UnsupportedPywatsError, match="is not installed: pip install"):
            pywats_green.install()


def test_asyncwats_is_left_untouched() -> None:
    import pywats.async_wats
    import pywats.core.async_client

    assert pywats.async_wats.AsyncHttpClient is pywats.core.async_client.AsyncHttpClient
    assert pywats.core.async_client.AsyncHttpClient.__module__ == "pywats.core.async_client"
