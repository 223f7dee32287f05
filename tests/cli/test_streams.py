"""Streams: files, pipes and terminals that are missing, closed, full or watched."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys

import pytest

TIMEOUT = 60


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("nothing.jsonl", "No such file or directory"),
        ("site", "Is a directory, and holds no audit trail"),
        ("site/nothing", "No such file or directory"),
        ("x" * 300, "File name too long"),
        ("", "No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read(busway, file, reason):
    """One line says which and why; the exit is 2."""
    done = busway("run", file, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"busway: {file}: {reason}\n"


def test_a_file_that_cannot_be_opened(busway):
    """One line says so; the exit is 2. Root may open everything but, for one, a socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(busway.directory / "e"))
        done = busway("run", "e")
    assert (done.returncode, done.stderr) == (2, "busway: e: No such device or address\n")


def test_stdin_that_is_closed(busway):
    """Without a standard input it says so, whatever the number 0 stands for by then."""
    done = busway_closing(busway, "<&-", "run")
    assert (done.returncode, done.stderr) == (2, b"busway: standard input is closed\n")


def busway_closing(busway, redirection: str, *args: str) -> subprocess.CompletedProcess[bytes]:
    """Run it by a shell that redirects its streams."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "busway_cli", *args],
        cwd=busway.directory,
        env=busway.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )


def test_stdin_from_nowhere(busway):
    """/dev/null, which cannot be waited for, is an empty input."""
    done = busway_closing(busway, "", "run", "--json")
    assert (done.returncode, json.loads(done.stdout)["read"]) == (0, 0)


def test_a_named_pipe(busway, line):
    """Events come through a named pipe until its writer closes it."""
    os.mkfifo(busway.directory / "pipe")
    process = busway.start("run", "pipe", "--json")
    with (busway.directory / "pipe").open("w") as pipe:
        for _ in range(3):
            pipe.write(line())
            pipe.flush()
    out, _ = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, json.loads(out)["published"]) == (0, 3)


def test_events_are_published_as_they_come(busway, line):
    """An event is handled while the pipe is still open, not at its end."""
    busway.handler("says", "def handle(self, event): os.write(2, b'handled\\n')")
    process = busway.start("run", "--json")
    for _ in range(3):
        process.stdin.write(line().encode())
        process.stdin.flush()
        assert process.stderr.readline() == b"handled\n"
    out, _ = process.communicate(timeout=TIMEOUT)
    assert json.loads(out)["published"] == 3


@pytest.mark.parametrize(
    "args", [("run", "--json"), ("run",), ("plugins",), ("events", "--json"), ("--help",)]
)
def test_a_closed_output_pipe_ends_it_quietly(busway, args):
    """Nobody reads the answer: no message, not even at exit."""
    reader, writer = os.pipe()
    os.close(reader)
    process = busway.start(*args, stdin=subprocess.DEVNULL, stdout=writer)
    os.close(writer)
    _, told = process.communicate(timeout=TIMEOUT)
    assert told == b""
    assert process.returncode in (0, 128 + signal.SIGPIPE)


def test_a_closed_output_pipe_and_the_prints_of_plugins(busway):
    """What a plugin's command printed and nobody read leads to no message at exit either."""
    code = "import click\n@click.command()\ndef Plugin(): print('lost')"
    busway.install("prints", code, group="busway.commands")
    reader, writer = os.pipe()
    os.close(reader)
    process = busway.start("prints", stdout=writer)
    os.close(writer)
    assert process.communicate(timeout=TIMEOUT)[1] == b""
    assert process.returncode == 0


def test_a_closed_output_pipe_spoils_no_run(busway, line):
    """Everything is published and flushed all the same, and the exit code says how that went."""
    busway.handler(
        "flushes",
        """
        n = 0
        def handle(self, event): self.n += 1
        async def stop(self): open("flushed", "w").write(str(self.n))
        """,
    )
    reader, writer = os.pipe()
    os.close(reader)
    process = busway.start("run", "--json", stdout=writer)
    os.close(writer)
    _, told = process.communicate((line() * 1000).encode(), timeout=TIMEOUT)
    assert (process.returncode, told) == (0, b"")
    assert (busway.directory / "flushed").read_text() == "1000"


def test_a_closed_error_pipe_spoils_no_run(busway, line):
    """That nobody reads the complaints stops nothing, and changes no exit code."""
    reader, writer = os.pipe()
    os.close(reader)
    process = busway.start("run", "--json", stderr=writer)
    os.close(writer)
    out, _ = process.communicate(("bad\n" + line()).encode() * 10, timeout=TIMEOUT)
    assert process.returncode == 1
    assert (json.loads(out)["published"], json.loads(out)["rejected"]) == (10, 10)


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-"])
def test_no_streams_at_all(busway, redirection):
    """A service that gives it no stdout or stderr gets no crash."""
    (busway.directory / "e").write_text("bad\n")
    assert busway_closing(busway, redirection, "run", "e").returncode == 1
    assert busway_closing(busway, redirection, "run", "e", "--json").returncode == 1


def test_a_full_output(busway):
    """An answer that cannot be written is a refusal in one line."""
    done = busway_closing(busway, "> /dev/full", "run", "--json")
    assert done.returncode == 2
    assert done.stderr == b"busway: the answer cannot be written: No space left on device\n"


@pytest.mark.parametrize("args", [("run",), ("run", "--json")])
def test_an_output_that_is_ascii(busway, line, args):
    """What the output's encoding lacks is escaped."""
    busway.handler("ü", 'name = "\\u0416\\udc80"\ndef handle(self, event): pass')
    done = busway(*args, stdin=line(), env={"PYTHONIOENCODING": "ascii:strict"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u0416" in done.stdout


def read_all(terminal: int) -> bytes:
    """Read what a process wrote to its terminal, until it has closed it."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # how Linux says that the other end is closed
        pass
    return b"".join(parts)


def on_terminal(busway, *args: str, **streams: object) -> tuple[subprocess.Popen[bytes], bytes]:
    """Run it with a terminal as stderr."""
    ours, theirs = pty.openpty()
    process = busway.start(*args, stderr=theirs, **streams)
    os.close(theirs)
    shown = read_all(ours)
    os.close(ours)
    return process, shown


def test_progress_on_a_terminal(busway, line):
    """A bar with a rate and the time left is on stderr, and only there."""
    (busway.directory / "e").write_text(line() * 500 + "bad\n")
    process, shown = on_terminal(busway, "run", "e", "--json")
    out, _ = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, json.loads(out)["published"]) == (1, 500)
    assert b"501 events" in shown
    assert b"100%" in shown
    assert b"/s" in shown
    assert b"ETA" in shown
    assert b"busway: line 501 is no event" in shown


def test_prints_stay_on_stdout_beside_a_bar(busway, line):
    """A bar on stderr does not take what plugins print to a piped stdout."""
    busway.handler("says", "def handle(self, event): print('handled')")
    (busway.directory / "e").write_text(line())
    process, shown = on_terminal(busway, "run", "e")
    out, _ = process.communicate(timeout=TIMEOUT)
    assert out.startswith(b"handled\n")
    assert b"handled" not in shown.replace(b"handler", b"")


def test_no_progress_in_a_pipe(busway, line):
    """Into a pipe or a file goes no bar and no control sequence."""
    (busway.directory / "e").write_text(line() * 500)
    done = busway("run", "e")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_typed_input(busway, line):
    """Events can be typed at a terminal; the end of input ends it, and no bar disturbs."""
    ours, theirs = pty.openpty()
    err, err_theirs = pty.openpty()
    process = busway.start("run", "--json", stdin=theirs, stderr=err_theirs)
    os.close(theirs)
    os.close(err_theirs)
    os.write(ours, line().encode() + b"\x04")
    out, _ = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, json.loads(out)["published"]) == (0, 1)
    assert read_all(err) == b""
    os.close(ours)
    os.close(err)
