"""`run` compared with plain Python: the same output, errors and exit status."""

import os
import py_compile
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from commandline import TIMEOUT, environment
from transport.servers import Server
from waiting import Rendezvous

# How a script is started does not depend on gevent; without it a test takes a third of the time.
QUICK = {"PYWATS_GREEN_DISABLE": "1"}


def write(path: Path, source: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def assert_same(pair, status=None):
    plain, green = pair
    assert (green.stdout, green.stderr, green.returncode) == (
        plain.stdout,
        plain.stderr,
        plain.returncode,
    )
    if status is not None:
        assert green.returncode == status


NAMESPACE = """
    '''What it says.'''
    import atexit, inspect, pickle, sys

    class Point:
        x: int = 1

    def where():
        return 1

    y: int = 2
    main = sys.modules["__main__"]
    print(sys.argv, sys.path[0], __name__, __file__, __spec__, __package__, __cached__, __doc__)
    print(type(__loader__).__name__, type(__builtins__).__name__, sorted(globals()))
    print(main.__dict__ is globals(), main.__file__, globals().get("__annotations__"))
    print(pickle.loads(pickle.dumps(Point())).x, inspect.getsource(where))
    atexit.register(lambda: print(type(pickle.loads(pickle.dumps(Point()))), sys.argv))
"""


@pytest.mark.parametrize(
    ("name", "env"), [("script.py", {}), ("./script.py", QUICK), ("folder/../script.py", QUICK)]
)
def test_main_is_the_script(both, tmp_path, name, env):
    write(tmp_path / "script.py", NAMESPACE)
    (tmp_path / "folder").mkdir()
    assert_same(both(name, "--help", "-x", "--", "a b", "--", "", "run", **env), 0)


def test_a_script_elsewhere_imports_its_neighbours(both, tmp_path):
    write(tmp_path / "far" / "neighbour.py", "name = __name__\n")
    write(tmp_path / "neighbour.py", "raise AssertionError('of the working folder')\n")
    write(tmp_path / "far" / "script.py", "import neighbour, sys; print(neighbour, sys.path[0])\n")
    assert_same(both(str(Path("far", "script.py")), **QUICK), 0)


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_link_leads_to_the_folder_of_its_target(both, tmp_path):
    write(tmp_path / "far" / "script.py", "import sys; print(sys.path[0], __file__)\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "far" / "script.py")
    assert_same(both("link.py", **QUICK), 0)


@pytest.mark.parametrize(
    ("value", "env"),
    [
        ("3", {}),
        *((value, QUICK) for value in ("None", "'no \u00e9'", "True", "-1", "(1, 2)")),
    ],
)
def test_system_exit(both, tmp_path, value, env):
    write(tmp_path / "script.py", f"print('a'); raise SystemExit({value})\n")
    assert_same(both("script.py", **env))


GREEN_ENDS = {
    "exit in atexit": """
        import atexit, sys
        atexit.register(print, "second")
        atexit.register(print, "first")
        print("end", end="")
        sys.exit("why")
    """,
    "threads outlive main": """
        import threading, time
        def late():
            threading.main_thread().join()
            print("late", __name__)
        threading.Thread(target=late).start()
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        print("main ends")
    """,
    "hard exit": """
        import atexit, os
        atexit.register(print, "never")
        print("flushed", flush=True)
        os._exit(7)
    """,
    "interrupt": """
        import atexit
        atexit.register(print, "cleaned up")
        raise KeyboardInterrupt("by hand")
    """,
}

PLAIN_ENDS = {
    "chained error": """
        def inner():
            raise KeyError("k")
        def outer():
            try:
                inner()
            except KeyError as exc:
                raise ValueError("v") from exc
        outer()
    """,
    "own hook": """
        import sys, traceback
        def hook(kind, error, tb):
            print("hook", kind, error, error.__traceback__ is tb, traceback.extract_tb(tb))
        sys.excepthook = hook
        def fails():
            1 / 0
        fails()
    """,
    "last error": """
        import atexit, sys, traceback
        def last():
            print(sys.last_type, sys.last_value, traceback.extract_tb(sys.last_traceback))
        atexit.register(last)
        1 / 0
    """,
    "base exception": "class Odd(BaseException): pass\nraise Odd('x')",
    "warning as error": "import warnings\nwarnings.warn('careful', DeprecationWarning)",
    "syntax error": "x = 1\ndef broken(:\n    pass\n",
    "indentation": "if True:\npass\n",
}


@pytest.mark.parametrize("name", GREEN_ENDS)
def test_green_ends(both, tmp_path, name):
    write(tmp_path / "script.py", GREEN_ENDS[name])
    assert_same(both("script.py"))


@pytest.mark.parametrize("name", PLAIN_ENDS)
def test_ends(both, tmp_path, name):
    write(tmp_path / "script.py", PLAIN_ENDS[name])
    assert_same(both("script.py", **QUICK))


def test_source_encoding(both, tmp_path):
    text = "# -*- coding: latin-1 -*-\nprint('caf\u00e9', len('\u00e9'))\n"
    (tmp_path / "script.py").write_bytes(text.encode("latin-1"))
    assert_same(both("script.py", **QUICK), 0)
    (tmp_path / "script.py").write_bytes(b"\xef\xbb\xbfprint('\xc3\xa9')\r\n")
    assert_same(both("script.py", **QUICK), 0)


def test_wrong_encoding_is_a_syntax_error(both, tmp_path):
    (tmp_path / "script.py").write_bytes(b"print('\xe9')\n")
    plain, green = both("script.py", **QUICK)
    assert plain.returncode == green.returncode == 1
    assert "SyntaxError" in green.stderr
    assert "pywats_green" not in green.stderr


BROKEN = {
    "syntax": b"def f(:\n",
    "indentation": b"if True:\npass\n",
    "not utf-8": b"print('\xe9')\n",
    "unknown encoding": b"# -*- coding: no-such -*-\n",
    "null byte": b"x = 1\0\n",
    "raises": b"1 / 0\n",
    "exits": b"raise SystemExit(3)\n",
}


@pytest.mark.parametrize("container", ["script.py", pytest.param("folder", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_script_under_the_installed_command(tmp_path, name, container):
    """There, the original `__main__` is pip's entry script, which the user's script replaces."""
    if name == "null byte" and sys.version_info < (3, 11):
        pytest.skip("Python 3.10 ignores null bytes in a script, though compile() refuses them")
    command = write(
        tmp_path / "pywats-green",
        "import sys\nfrom pywats_green.__main__ import main\nsys.exit(main())\n",
    )
    script = tmp_path / container
    if container == "folder":
        script.mkdir()
        (script / "__main__.py").write_bytes(BROKEN[name])
    else:
        script.write_bytes(BROKEN[name])
    processes = [
        subprocess.Popen(
            [sys.executable, *start, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(PYTHONMALLOC="debug", **QUICK),
        )
        for start in ([], [str(command), "run"])
    ]
    plain, green = (process.communicate(timeout=TIMEOUT)[1] for process in processes)
    assert [process.returncode for process in processes] == [3 if name == "exits" else 1] * 2
    assert green.splitlines()[-1:] == plain.splitlines()[-1:] or (
        b"SyntaxError" in green and b"SyntaxError" in plain
    )


def test_folder_archive_and_bytecode(both, tmp_path):
    source = write(tmp_path / "folder" / "__main__.py", NAMESPACE.replace("inspect.get", "str #"))
    source.write_text("import sys\nprint(sys.argv, sys.path[0], __file__, __package__, __spec__)\n")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.write(source, "__main__.py")
    py_compile.compile(str(source), cfile=str(tmp_path / "compiled.pyc"))
    for name in ("folder", "app.zip", "compiled.pyc"):
        plain, green = both(name, "-x", **QUICK)
        assert (green.returncode, green.stderr) == (0, "")
        assert green.stdout.split(" at 0x")[0] == plain.stdout.split(" at 0x")[0]


def test_missing_script(both, tmp_path):
    plain, green = both("nope.py", "-x", **QUICK)
    message = f"can't open file {str(tmp_path / 'nope.py')!r}: [Errno 2] No such file or directory"
    assert message in plain.stderr
    assert message in green.stderr
    assert green.stderr.count("\n") == 1
    assert plain.returncode == green.returncode == 2


def test_folder_without_main(both, tmp_path):
    (tmp_path / "empty").mkdir()
    plain, green = both("empty", **QUICK)
    assert "can't find '__main__' module in" in green.stderr
    assert green.stderr.count("\n") == 1
    assert plain.returncode == green.returncode == 1


def test_wrong_use(cli):
    for words in (["run"], ["run", "-x", "script.py"]):
        result = cli(*words, **QUICK)
        assert result.returncode == 2
        assert result.stderr.startswith("Usage:")
    assert "SCRIPT" in cli("run", "--help", **QUICK).stdout


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT for one process")
def test_ctrl_c(tmp_path):
    script = write(
        tmp_path / "script.py",
        """
        import atexit, time
        atexit.register(print, "cleaned up")
        print("ready", flush=True)
        time.sleep(60)
        """,
    )
    ends = []
    for start in ([], ["-m", "pywats_green", "run"]):
        with subprocess.Popen(
            [sys.executable, *start, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT)
        assert err.count("KeyboardInterrupt") == 1
        assert err.startswith("Traceback")
        assert str(script) in err.splitlines()[1]
        ends.append((process.returncode, out))
    assert ends[0] == ends[1] == (-signal.SIGINT, "cleaned up\n")


@pytest.mark.long
def test_processes_of_multiprocessing(both, tmp_path):
    write(
        tmp_path / "script.py",
        """
        import multiprocessing

        def work(number):
            print(__name__, number, flush=True)
            raise SystemExit(number)

        if __name__ == "__main__":
            child = multiprocessing.get_context("spawn").Process(target=work, args=(5,))
            child.start()
            child.join()
            print(child.exitcode)
        """,
    )
    assert_same(both("script.py"), 0)


def test_an_untouched_script_runs_green(cli, tmp_path):
    together = Rendezvous(20)
    script = write(
        tmp_path / "script.py",
        """
        import sys
        from concurrent.futures import ThreadPoolExecutor

        from pywats import pyWATS

        api = pyWATS(base_url=sys.argv[1], token=sys.argv[2], enable_cache=False)
        with ThreadPoolExecutor(20) as pool:
            numbers = [f"PN-{number:05d}" for number in range(20)]
            found = list(pool.map(api.product.get_product, numbers))
        print([product.part_number for product in found] == numbers)
        """,
    )
    with Server(together) as server:
        result = cli("run", str(script), server.url, "t")
    assert (result.stdout, result.stderr, result.returncode) == ("True\n", "", 0)
    assert together.highest == 20


def test_switched_off_it_just_runs_the_script(cli, tmp_path):
    script = write(
        tmp_path / "script.py",
        """
        import socket, sys
        print(socket.socket.__module__, "pywats" in sys.modules, __name__)
        """,
    )
    result = cli("run", str(script), PYWATS_GREEN_DISABLE="1")
    assert (result.stdout, result.stderr, result.returncode) == ("socket False __main__\n", "", 0)


@pytest.mark.parametrize("name", ["package.part", "package", "lonely"])
def test_a_module(both, tmp_path, name):
    write(tmp_path / "package" / "__init__.py", "import sys; print(__name__, sys.argv)\n")
    for path in ("package/part.py", "package/__main__.py", "lonely.py"):
        source = NAMESPACE.replace("__spec__,", "__spec__.name, __spec__.parent, __spec__.origin,")
        write(tmp_path / path, source)
    assert_same(both("-m", name, "--help", "-m", "x", **QUICK), 0)


def test_code(both):
    code = (
        "import sys; print(sys.argv, sys.path[0], sorted(globals()), __spec__, __loader__,"
        " sys.modules['__main__'].__dict__ is globals())"
    )
    assert_same(both("-c", code, "-c", "--help", **QUICK), 0)


@pytest.mark.parametrize("name", ["nowhere", "package.nowhere", "nowhere.part", "package"])
def test_a_module_that_is_not_there(cli, tmp_path, name):
    write(tmp_path / "package" / "__init__.py", "")
    done = cli("run", "-m", name, **QUICK)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert name in done.stderr


def test_a_package_that_imports_what_is_not_there(cli, tmp_path):
    write(tmp_path / "package" / "__init__.py", "import nowhere\n")
    done = cli("run", "-m", "package.part", **QUICK)
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'nowhere'" in done.stderr
