"""The table of commands and their dispatch."""

import io
import shutil
import subprocess
import sys

import pytest
from commandline import COMMAND, TIMEOUT, environment
from rich.console import Console

import pywats_green
from pywats_green.__main__ import main
from pywats_green.cli import commands, embedded, measuring
from pywats_green.cli.commands import COMMANDS
from pywats_green.cli.demo import own_server
from pywats_green.cli.errors import CommandError, redact
from pywats_green.cli.run import split
from pywats_green.cli.tables import Column, print_table


def ends(capsys, *words: str):
    return main(words), *capsys.readouterr()


def test_help_has_a_line_for_each_command(capsys):
    status, out, _ = ends(capsys, "--help")
    assert status == 0
    for command in COMMANDS:
        assert f"  {command.name}" in out
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
    assert err.startswith("Usage: ")
    assert "No such command 'nope'." in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["drian"], "No such command 'drian'. Did you mean 'drain'?"),
        (["queue", "discrd"], "No such command 'discrd'. Did you mean 'discard'?"),
        (["drain", "--concurency", "3", "x"], "Did you mean '--concurrency'?"),
        (["demo", "--report", "3"], "No such option '--report'. Did you mean '--reports'?"),
    ],
)
def test_what_was_meant(capsys, words, told):
    status, out, err = ends(capsys, *words)
    assert (status, out) == (2, "")
    assert told in err


def test_the_usage_is_that_of_the_command(capsys):
    _, _, err = ends(capsys, "queue", "list", "--nope")
    assert err.startswith("Usage: python -m pywats_green queue list [OPTIONS] FOLDER")


@pytest.mark.parametrize("command", [[], *([entry.name] for entry in COMMANDS)])
def test_help_fits_forty_columns(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = ends(capsys, *command, "--help")
    texts = [line for line in out.splitlines() if line.startswith("  ")]
    assert texts
    assert max(map(len, texts)) <= 44  # what cannot be broken


BASH = pytest.param(
    "bash", marks=pytest.mark.skipif(shutil.which("bash") is None, reason="click asks bash itself")
)


@pytest.mark.parametrize("shell", [BASH, "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(capsys, shell):
    status, out, err = ends(capsys, "completion", shell)
    assert (status, err) == (0, "")
    assert f"PYWATS_GREEN_DISABLE=1 _PYWATS_GREEN_COMPLETE={shell}_complete" in out


FISH = shutil.which("fish") or ""


@pytest.mark.skipif(not FISH, reason="fish is not installed")
def test_fish_shows_whole_descriptions(cli, tmp_path):
    (tmp_path / "pywats-green").write_text("#!/bin/sh\necho 'plain,run\tRun this, or that.'\n")
    (tmp_path / "pywats-green").chmod(0o755)
    (tmp_path / "complete.fish").write_text(cli("completion", "fish").stdout)
    done = subprocess.run(
        [FISH, "--no-config", "-c", "source complete.fish; complete -C 'pywats-green r'"],
        cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=TIMEOUT,
    )  # fmt: skip
    assert done.stdout == "run\tRun this, or that.\n"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("pywats-green d", ["demo", "drain", "doctor"]),
        ("pywats-green drain --con", ["--concurrency"]),
        ("pywats-green queue list x --state q", ["quarantined"]),
        ("pywats-green run scr", ["scr"]),  # the shell's own names of files
    ],
)
def test_completions(cli, typed, offered):
    words = typed.split()
    env = {"_PYWATS_GREEN_COMPLETE": "bash_complete", "COMP_WORDS": typed}
    result = cli(**env, COMP_CWORD=str(len(words) - 1))
    assert [line.partition(",")[2] for line in result.stdout.splitlines()] == offered


@pytest.mark.parametrize("command", ["demo", "drain", "serve"])
def test_a_bad_variable_is_one_line(cli, command):
    result = cli(command, PYWATS_GREEN_DNS_TTL="soon")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == (
        f"python -m pywats_green {command}: PYWATS_GREEN_DNS_TTL='soon' does not fit: it must be "
        "a number of seconds\n"
    )


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), ("queue", "list", "--help"), ("completion", "zsh")]
)
def test_a_bad_variable_does_not_keep_the_help_from_anybody(cli, words):
    result = cli(*words, PYWATS_GREEN_DNS_TTL="soon")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout


def test_a_bad_variable_in_a_program_is_one_error():
    done = subprocess.run(
        [sys.executable, "-c", "import pywats_green"], capture_output=True, text=True, check=False,
        env=environment(PYWATS_GREEN_DNS_TTL="soon"),
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "PYWATS_GREEN_DNS_TTL='soon' does not fit" in done.stderr.splitlines()[-1]


def test_no_command_shows_the_help(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Commands:" in err


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["a.py", "--help", "--", "-x"], ["a.py"]),
        (["-x", "a.py", "b"], ["-x", "a.py"]),
        (["-m", "json.tool", "-x"], ["-m", "json.tool"]),
        (["-mjson.tool", "-m", "x"], ["-mjson.tool"]),
        (["-c", "-x", "a"], ["-c", "-x"]),
        ([], []),
    ],
)
def test_words_after_the_program_are_its_own(words, own):
    assert split(words) == (own, words[len(own) :])


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
    code = (
        "import pywats_green, sys; print([name for name in sys.modules "
        "if 'pywats_green.cli' in name or name.split('.')[0] in ('click', 'rich')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert result.stdout == "[]\n"


def test_redact(monkeypatch):
    monkeypatch.setenv("PYWATS_GREEN_TOKEN", "abc=")
    text = "at https://user:p@ss@host/x\n  and http://host: token abc= (a@b)"
    assert redact(text) == "at https://host/x and http://host: token *** (a@b)"
    assert redact("\x1b[2Jmine") == "\\x1b[2Jmine"
    monkeypatch.setenv("PYWATS_GREEN_TOKEN", "dXNlcjpwYXNzd29yZA==")
    assert redact("who is user with password?") == "who is user with ***?"
    monkeypatch.setenv("PYWATS_GREEN_TOKEN", "t")
    assert redact("not at all") == "not at all"


COLUMNS = (Column("job"), Column("n", right=True), Column("error", wraps=True))
ROWS = [("a job", "100", "it is too long for one line of that width"), ("b", "1", "")]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (100, [
            "job      n  error",
            "a job  100  it is too long for one line of that width",
            "b        1",
        ]),
        (40, [
            "job      n  error",
            "a job  100  it is too long for one line",
            "            of that width",
            "b        1",
        ]),
        (24, [
            "job    a job",
            "n      100",
            "error  it is too long",
            "       for one line of",
            "       that width",
            "",
            "job  b",
            "n    1",
        ]),
    ],
)  # fmt: skip
def test_tables_fit(width, lines):
    stream = io.StringIO()
    print_table(Console(file=stream, width=width), COLUMNS, ROWS)
    assert stream.getvalue().splitlines() == lines


def test_columns_are_dropped_where_there_is_no_room():
    columns = (
        Column("id"), Column("size", dropped=2), Column("age", dropped=1), Column("why", wraps=True)
    )  # fmt: skip
    rows = [("f758a5fd", "148 B", "46 s", "")]

    def lines(width: int, why: str) -> list[str]:
        stream = io.StringIO()
        print_table(Console(file=stream, width=width), columns, [(*rows[0][:3], why)])
        return stream.getvalue().splitlines()

    assert lines(40, "refused") == [
        "id        size   age   why",
        "f758a5fd  148 B  46 s  refused",
    ]
    assert lines(22, "")[0] == "id        size   age"
    assert lines(24, "refused")[0] == "id        size   why"
    assert lines(18, "refused")[0] == "id        why"
    assert lines(16, "refused")[0] == "id    f758a5fd"


def test_no_part_of_a_long_word_is_lost():
    stream = io.StringIO()
    long = "opentelemetry-instrumentation-httpx"
    columns = (Column(""), Column("", wraps=True))
    print_table(Console(file=stream, width=34), columns, [("id", long)])
    assert "".join(stream.getvalue().split()) == "id" + long


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
