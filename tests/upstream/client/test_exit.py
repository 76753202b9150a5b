"""A call from `__del__` while the interpreter exits."""

import pytest

from pywats_green.testing import WatsServer

SCRIPT = """
import sys
import pywats_green
from pywats import pyWATS

api = pyWATS(base_url=sys.argv[1], token=sys.argv[2], enable_cache=False)

class Late:
    def __del__(self):
        api.product.get_product("PN-00001")

api.product.get_product("PN-00001")
late = Late()
if sys.argv[3] == "cycle":
    late.itself = late
sys.exit(3)
"""


@pytest.mark.parametrize("how", ["global", "cycle"])
def test_a_call_while_the_interpreter_exits_fails_at_once(run_python, server: WatsServer, how):
    """Python prints what leaves a `__del__`; the call neither hangs nor makes up a result."""
    done = run_python(SCRIPT, server.url, server.token, how)
    assert done.returncode == 3
    assert done.stderr.count("Exception ignored") == 1
    assert server.token not in done.stderr
