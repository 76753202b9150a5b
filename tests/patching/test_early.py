"""What was made or imported before the patch goes on working, each in a process of its own."""

import pytest

from pywats_green.testing import WatsServer

UNUSED = """
from concurrent.futures import ThreadPoolExecutor, wait
executor = ThreadPoolExecutor(2)
import pywats_green
import gevent
with executor:
    jobs = [executor.submit(gevent.sleep, 0.01) for _ in range(4)]
    print(len(wait(jobs).done), executor.submit(lambda: "result").result())
"""

USED = """
from concurrent.futures import ThreadPoolExecutor, wait
import _thread
executor = ThreadPoolExecutor(4)
native = executor.submit(_thread.get_ident).result()
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import pywats_green
from gevent import monkey
ident = monkey.get_original("threading", "get_ident")
jobs = [executor.submit(ident) for _ in range(8)]
print({job.result() for job in jobs} == {native}, "ThreadPoolExecutor" in str(caught[0].message))
executor.shutdown()
"""


@pytest.mark.parametrize(
    ("source", "printed"), [(UNUSED, "4 result\n"), (USED, "True True\n")], ids=["unused", "used"]
)
def test_an_executor_made_before(run_python, source, printed) -> None:  # type: ignore[no-untyped-def]
    done = run_python(source)
    assert (done.stdout, done.returncode) == (printed, 0), done.stderr


def test_https_of_what_was_imported_before(run_python) -> None:  # type: ignore[no-untyped-def]
    """Without our help, requests ends in a RecursionError."""
    with WatsServer(tls=True) as server:
        assert server.ca_file is not None
        done = run_python(
            "import sys, ssl, urllib.request\n"
            "url, authority = sys.argv[1:]\n"
            "import requests, httpx\n"
            "session, context = requests.Session(), ssl.create_default_context(cafile=authority)\n"
            "import pywats_green\n"
            "url += '/api/App/Version'\n"
            "context.minimum_version = ssl.TLSVersion.TLSv1_2\n"
            "print(session.get(url, verify=authority).status_code,\n"
            "      httpx.get(url, verify=context).status_code)\n"
            "try:\n"
            "    urllib.request.urlopen(url, context=context)\n"
            "except urllib.error.HTTPError as exc:\n"
            "    print(exc.code)\n"
            "    exc.close()\n",
            server.url,
            server.ca_file,
            warnings="default",
        )
    assert done.stdout == "401 401\n401\n", done.stderr
