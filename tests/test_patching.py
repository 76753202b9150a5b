"""Each import order in a separate process, because a patch cannot be undone."""

import sys

import pytest

CHECK = """
from gevent import monkey
assert monkey.is_module_patched("socket") and monkey.is_module_patched("queue")
assert pywats_green.is_active()
print("green")
"""


def test_importing_it_first_patches_and_installs_without_a_warning(run_python) -> None:
    done = run_python("import pywats_green\nfrom pywats import pyWATS\n" + CHECK)
    assert (done.stdout, done.stderr, done.returncode) == ("green\n", "", 0)


def test_a_platform_where_gevent_replaces_nothing_of_os_and_signal(run_python) -> None:
    as_on_windows = (
        "import gevent.os, gevent.signal as s\ngevent.os.__implements__ = s.__implements__ = []\n"
    )
    done = run_python(f"{as_on_windows}import pywats_green\nfrom pywats import pyWATS\n{CHECK}")
    assert (done.stdout, done.stderr, done.returncode) == ("green\n", "", 0)


@pytest.mark.long
def test_importing_it_again_changes_nothing(run_python) -> None:
    done = run_python(
        "import pywats_green, importlib, pywats.pywats as p\n"
        "first = p._run_sync\n"
        "importlib.reload(pywats_green)\n"
        "assert p._run_sync is first\n" + CHECK
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_pywats_first_is_refused_and_the_line_to_move_is_named(run_python) -> None:
    done = run_python("import os\nfrom pywats import pyWATS\n\nimport pywats_green\n")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("pywats_green.exceptions.ImportOrderError: ")
    assert "script.py:4: pywats was imported before pywats_green" in last
    assert 'above line 2: "from pywats import pyWATS"' in last


@pytest.mark.long
def test_pywats_first_through_another_module_is_refused_too(run_python, tmp_path) -> None:
    (tmp_path / "helper.py").write_text("import pywats\n", encoding="utf-8")
    done = run_python("import helper\nimport pywats_green\n")
    assert "above the first import of pywats, or of what imports it" in done.stderr


def test_the_refusal_is_an_import_error(run_python) -> None:
    done = run_python(
        "import pywats, sys\n"
        "from gevent import monkey\n"
        "try:\n    import pywats_green\n"
        "except ImportError as exc:\n    print(type(exc).__name__)\n"
        "assert not monkey.is_module_patched('socket')\n"
    )
    assert (done.stdout, done.returncode) == ("ImportOrderError\n", 0)


@pytest.mark.parametrize(
    "modules",
    [
        "urllib3",
        "requests, httpx",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("requests", "httpx", "httpcore")),
    ],
)
def test_what_copies_sockets_first_gives_one_warning_that_names_it(run_python, modules) -> None:
    done = run_python(
        f"import warnings\nimport {modules}\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import pywats_green\n"
        "for w in caught:\n"
        "    print(w.category.__name__, w.lineno, w.filename.endswith('script.py'), w.message)\n"
        "assert pywats_green.is_active()\n"
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("ImportOrderWarning 5 True imported before pywats_green: ")
    for name in modules.split(", "):
        assert name in line


def test_a_native_thread_at_patch_time_is_named_in_the_warning(run_python) -> None:
    done = run_python(
        "import threading, warnings\n"
        "stop = threading.Event()\n"
        "thread = threading.Thread(target=stop.wait, name='poller', daemon=True)\n"
        "thread.start()\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import pywats_green\n"
        "    print(*(w.message for w in caught))\n",
        warnings="default",
    )
    assert "native threads running before pywats_green: poller" in done.stdout


@pytest.mark.long
def test_a_program_that_patched_itself_gets_no_warning(run_python) -> None:
    done = run_python(
        "from gevent import monkey\nmonkey.patch_all()\nimport requests\nimport pywats_green\n"
        + CHECK
    )
    assert (done.stdout, done.stderr, done.returncode) == ("green\n", "", 0)


def test_a_program_that_left_the_queue_unpatched_gets_it_patched(run_python) -> None:
    """Otherwise ThreadPoolExecutor, and so upstream's parallel_execute, blocks the hub."""
    done = run_python(
        "from gevent import monkey\nmonkey.patch_all(queue=False)\nimport pywats_green\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "print(list(ThreadPoolExecutor(2).map(abs, [-1, -2])))\n" + CHECK,
        warnings="default",
    )
    assert done.stdout.splitlines() == ["[1, 2]", "green"], done.stderr


INERT = """
import pywats_green
from gevent import monkey
assert not monkey.is_module_patched("socket")
assert not pywats_green.is_active()
from pywats_green import *
import pywats.pywats
assert pywats.pywats._run_sync.__module__ == "pywats.pywats"
"""


@pytest.mark.parametrize(
    "before",
    [
        "import pywats\n",
        *(pytest.param(text, marks=pytest.mark.long) for text in ("", "import requests\n")),
    ],
)
def test_disabled_it_is_inert_and_every_name_imports(run_python, before) -> None:
    done = run_python(before + INERT, env={"PYWATS_GREEN_DISABLE": "1"})
    assert (done.stderr, done.returncode) == ("", 0)


def test_disabled_nothing_of_the_environment_is_read_and_install_is_refused(run_python) -> None:
    done = run_python(
        INERT + "try:\n    pywats_green.install()\n"
        "except pywats_green.ImportOrderError as exc:\n    print(exc)\n"
        "assert not pywats_green.is_active()\n",
        env={"PYWATS_GREEN_DISABLE": "1", "PYWATS_GREEN_DNS_TTL": "soon"},
    )
    assert "is not patched" in done.stdout, done.stderr


def test_a_variable_that_does_not_fit_ends_the_import_with_its_name(run_python) -> None:
    done = run_python("import pywats_green", env={"PYWATS_GREEN_DNS_TTL": "soon"})
    assert "SettingsError: PYWATS_GREEN_DNS_TTL='soon' does not fit" in done.stderr


def test_disabled_native_threads_share_a_cache(run_python) -> None:
    done = run_python(
        INERT + "import threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "calls, together = [], threading.Barrier(8)\n"
        "@cached()\n"
        "def load(key):\n    calls.append(key)\n    return key\n"
        "def read_with_others(key):\n    together.wait(60)\n    return load(key)\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    read = pool.map(read_with_others, ['a', 'b'] * 8)\n"
        "    print(sorted(read) == ['a'] * 8 + ['b'] * 8, len(calls))\n",
        env={"PYWATS_GREEN_DISABLE": "1"},
    )
    assert done.stdout == "True 2\n", done.stderr


@pytest.mark.long
def test_disabled_the_pool_passes_calls_through_one_by_one(run_python, server) -> None:
    server.configure(latency=0.005)
    done = run_python(
        INERT + "from pywats import pyWATS\nimport sys\n"
        "api = pyWATS(base_url=sys.argv[1], token=sys.argv[2], enable_cache=False)\n"
        "keys = [f'PN-{i:05d}' for i in range(8)]\n"
        "with Pool(4) as pool:\n"
        "    for products in (pool.map(api.product.get_product, keys),\n"
        "                     list(pool.imap(api.product.get_product, keys)),\n"
        "                     [r.value for r in pool.map_results(api.product.get_product,"
        " keys)]):\n"
        "        assert [p.part_number for p in products] == keys\n"
        "assert [r.status_code for r in get_many(api, ['/api/App/Version', '/api/no'])]"
        " == [200, 404]\n",
        server.url,
        server.token,
        env={"PYWATS_GREEN_DISABLE": "1"},
        warnings="default",
    )
    assert done.returncode == 0, done.stderr
    assert server.stats()["highest_concurrency"] == 1


@pytest.mark.parametrize(
    ("value", "active"),
    [
        ("0", True),
        ("yes", False),
        pytest.param("", True, marks=pytest.mark.long),
        pytest.param("1", False, marks=pytest.mark.long),
    ],
)
def test_values_of_the_switch(run_python, value, active) -> None:
    done = run_python(
        "import pywats_green; print(pywats_green.is_active())",
        env={"PYWATS_GREEN_DISABLE": value},
    )
    assert done.stdout == f"{active}\n"


def test_this_process_is_green() -> None:
    import pywats_green

    assert pywats_green.is_active()
    assert "pywats" in sys.modules
