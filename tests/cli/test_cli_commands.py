"""The table of commands and their dispatch."""

import subprocess
import sys

import pytest
from commandline import COMMAND, environment

import pywats_green
from pywats_green.__main__ import main
from pywats_green.cli import commands, embedded, measuring
from pywats_green.cli.commands import COMMANDS, split_script
from pywats_green.cli.demo import own_server
from pywats_green.cli.errors import CommandError, redact
from pywats_green.cli.table import aligned


def ends(capsys, *words: str):
    with pytest.raises(SystemExit) as info:
        main(words)
    return info.value.code, *capsys.readouterr()


def test_help_has_a_line_for_each_command(capsys):
    status, out, _ = ends(capsys, "--help")
    assert status == 0
    for command in COMMANDS:
        assert f"    {command.name}" in out
        assert command.summary in out


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_of_a_command(capsys, command):
    status, out, _ = ends(capsys, command, "--help")
    assert status == 0
    assert f"python -m pywats_green {command}" in out


def test_version(capsys):
    assert ends(capsys, "--version") == (0, f"pywats_green {pywats_green.__version__}\n", "")


def test_unknown_command(capsys):
    status, out, err = ends(capsys, "nope")
    assert (status, out) == (2, "")
    assert err.startswith("usage: ")
    assert "invalid choice: 'nope'" in err
    assert "doctor" in err


def test_no_command_shows_the_help(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "commands:" in err


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["run", "a.py", "--help", "--", "-x"], ["run", "a.py"]),
        (["run", "-x", "a.py", "b"], ["run", "-x", "a.py"]),
        (["run", "-m", "pytest", "-q", "-m", "x"], ["run", "-m", "pytest"]),
        (["run", "-mpytest", "tests"], ["run", "-mpytest"]),
        (["run", "-c", "-1", "a.py"], ["run", "-c", "-1"]),
        (["run"], ["run"]),
        (["demo", "a", "b"], ["demo", "a", "b"]),
        ([], []),
    ],
)
def test_words_after_the_script_are_its_own(words, own):
    assert split_script(words) == (own, words[len(own) :])


def test_a_reader_who_leaves_is_no_traceback():
    command = [*COMMAND, "doctor", "--json"]
    env = environment(PYWATS_GREEN_DISABLE="1")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_importing_the_package_imports_no_command():
    code = "import pywats_green, sys; print([m for m in sys.modules if 'pywats_green.cli' in m])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert result.stdout == "[]\n"


def test_redact(monkeypatch):
    monkeypatch.setenv("PYWATS_GREEN_TOKEN", "abc=")
    text = "at https://user:p@ss@host/x\n  and http://host: token abc= (a@b)"
    assert redact(text) == "at https://host/x and http://host: token *** (a@b)"


def test_aligned():
    assert aligned([["job", "n"], ["a job", "100"]]) == ["job      n", "a job  100"]
    assert aligned([["a", "b", ""], ["cc", "d", "e"]], left=3) == ["a   b", "cc  d  e"]


def test_own_server():
    url, token = "PYWATS_GREEN_BASE_URL", "PYWATS_GREEN_TOKEN"
    assert own_server({}) is None
    assert own_server({url: "", token: " "}) is None
    assert own_server({url: " https://x ", token: "t"}) == ("https://x", "t")
    for half in ({url: "https://x"}, {token: "t", url: ""}):
        with pytest.raises(CommandError, match="set both"):
            own_server(half)


def test_without_proxy(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with embedded.without_proxy():
        assert embedded.os.environ["no_proxy"] == "127.0.0.1"
    assert "no_proxy" not in embedded.os.environ
    monkeypatch.setenv("NO_PROXY", "a.example")
    with embedded.without_proxy():
        assert embedded.os.environ["NO_PROXY"] == "a.example,127.0.0.1"
    assert embedded.os.environ["NO_PROXY"] == "a.example"


def test_errors_are_counted_in_both_ways():
    def call(item):
        if item == 1:
            raise ValueError("one")
        return None if item == 2 else item

    job = measuring.Job("job", call, [1, 2, 3])
    seen = []
    slow = measuring.one_by_one(job, lambda done, total: seen.append((done, total)))
    fast = measuring.green(job, 2, lambda done, total: None)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert slow.errors == ("one", "nothing was found for 2")
    assert len(fast.errors) == 2
    assert measuring.Comparison("job", slow, fast).errors == slow.errors + fast.errors


def test_nothing_of_the_signal_stays(monkeypatch):
    import signal

    before = signal.getsignal(signal.SIGINT)
    with commands.quiet_interrupt():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
