"""`busway audit verify`: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner
from tests.audit.by_the_book import KEY, Book, lines

from busway_audit.commands import audit


def run(*arguments: object):
    return CliRunner().invoke(audit, ["verify", *map(str, arguments)])


@pytest.fixture
def book(tmp_path) -> Book:
    """Events 2 to 4, commit 5."""
    made = Book(tmp_path / "audit")
    made.batch(3)
    return made


@pytest.fixture
def tampered(book) -> Book:
    """Seq 3 is not as it was."""
    book.path.write_bytes(book.path.read_bytes().replace(b'"n":3', b'"n":"secret"'))
    return book


def test_a_whole_trail_exits_with_0(book):
    """The count is printed last, alone on its line."""
    done = run(book.directory)
    assert (done.stdout, done.stderr, done.exit_code) == ("events in 1 file:\n3\n", "", 0)


def test_a_trail_that_was_tampered_with_exits_with_1(tampered):
    """The first bad seq is printed before the count; the place is named on stderr."""
    done = run(tampered.directory)
    assert done.stdout == "first bad seq: 3\nevents in 1 file:\n2\n"
    place = f"{tampered.path}:3: seq 3"
    assert done.stderr == f"{place}: its hash is not that of its content\n"
    assert done.exit_code == 1


def test_a_torn_tail_exits_with_2(book):
    """If there is nothing else."""
    book.event()
    done = run(book.directory)
    assert done.stdout == "first bad seq: 6\nevents in 1 file:\n3\n"
    assert "seq 6: torn" in done.stderr
    assert done.exit_code == 2


def test_tampering_outweighs_a_torn_tail(tampered):
    """In its exit code, and as the first that is bad."""
    Book(tampered.directory, slot=2).event()
    done = run(tampered.directory)
    assert done.stdout.startswith("first bad seq: 3\n")
    assert done.exit_code == 1


def test_a_mistake_of_ours_exits_with_3(book, monkeypatch):
    """It is shown whole, and not taken for a torn tail."""
    monkeypatch.setattr("busway_audit._commands.verify.verify", lambda *_, **__: {}["mistake"])
    done = run(book.directory)
    assert done.exit_code == 3
    assert "KeyError: 'mistake'" in done.stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("path", ["none", "empty", "file"])
def test_what_cannot_be_read_exits_with_3(tmp_path, path, options):
    """One line on stderr says what, and nothing stands on stdout."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("hello\n")
    done = run(tmp_path / path, *options)
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith(f"Error: {tmp_path / path}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs /proc")
def test_a_file_that_refuses_exits_with_3():
    """No traceback: one line that names it."""
    done = run("/proc/self/mem")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: /proc/self/mem")


@pytest.mark.parametrize("arguments", [["--none"], ["a", "b"], ["--key"]])
def test_wrong_usage_exits_with_3(arguments):
    """2 would say that the tail is torn."""
    done = run(*arguments)
    assert done.exit_code == 3
    assert "Error: " in done.stderr


def test_a_key_is_read_from_its_file(tmp_path):
    """Of several, the right one is found."""
    Book(tmp_path / "audit", key=KEY).batch(3)
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "old").write_text("0" * 64)
    both = ("--key", tmp_path / "old", "--key", tmp_path / "key")
    assert run(tmp_path / "audit", *both).exit_code == 0
    assert run(tmp_path / "audit", *both[:2]).exit_code == 1
    without = run(tmp_path / "audit")
    assert without.exit_code == 3
    assert "give the file of its key by --key" in without.stderr


def test_a_key_that_is_none_exits_with_3(book, tmp_path):
    """Nothing of it is shown."""
    (tmp_path / "key").write_text("secret")
    done = run(book.directory, "--key", tmp_path / "key")
    assert done.exit_code == 3
    assert f"{tmp_path / 'key'}: 64 hex digits" in done.stderr
    assert "secret" not in done.stderr


def test_no_content_is_shown(tampered):
    """What was tampered with may be a secret, or a terminal's commands."""
    done = run(tampered.directory)
    assert "secret" not in done.output


def test_names_are_shown_as_one_line(tmp_path):
    """A directory may be called anything."""
    book = Book(tmp_path / "a\n\x1b[2J")
    book.event()
    done = run(book.directory)
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr


def test_the_first_findings_are_shown(book):
    """And how many more there are."""
    book.path.write_bytes(lines(book.path)[0] + b"hello\n" * 1_234)
    told = run(book.directory).stderr.splitlines()
    assert len(told) == 21
    assert told[-1] == "and 1,214 more"


def test_what_the_writer_told_is_shown(book):
    """Torn batches that it cut off, and events that it dropped."""
    book.own("recovered", segment=1, cut=10, kept="audit-000001.torn-1")
    book.own("gap", events=7, first_at="", last_at="")
    book.commit()
    assert run(book.directory).stdout == (
        "torn batches cut off by the writer: 1\n"
        "events dropped by the writer: 7\n"
        "events in 1 file:\n3\n"
    )  # fmt: skip


def test_json_is_one_object(tampered):
    """The exit code is the same."""
    Book(tampered.directory, slot=2).event()
    done = run(tampered.directory, "--json")
    told = json.loads(done.stdout)
    heads, errors = told.pop("heads"), told.pop("errors")
    assert told == {
        "events": 2,
        "files": 2,
        "tampered": 1,
        "torn": 1,
        "recovered": 0,
        "dropped": 0,
        "first_bad_seq": 3,
    }
    assert [(one["line"], one["seq"], one["torn"]) for one in errors] == [
        (3, 3, False),
        (0, 1, True),
    ]
    assert errors[0]["file"] == str(tampered.path)
    assert [head["seq"] for head in heads] == [5, 0]
    assert (done.stderr, done.exit_code) == ("", 1)


def test_json_does_not_grow_without_bound(book):
    """The first thousand findings are listed; the count is that of all."""
    book.path.write_bytes(lines(book.path)[0] + b"hello\n" * 1_234)
    told = json.loads(run(book.directory, "--json").stdout)
    assert (len(told["errors"]), told["tampered"]) == (1_000, 1_234)


def on_a_terminal(path) -> tuple[bytes, bytes]:
    """What stands on stdout, a pipe, and on stderr, a terminal."""
    here, there = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "busway_cli", "audit", "verify", str(path)],
        stdout=subprocess.PIPE,
        stderr=there,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
    ) as process:
        os.close(there)
        told = b""
        try:
            while part := os.read(here, 4096):
                told += part
        except OSError:  # the other end is closed
            pass
        os.close(here)
        out = process.stdout.read()
    return out, told


@pytest.mark.parametrize("command", ["verify", "checkpoint"])
def test_a_closed_stderr_is_no_failure(book, command):
    """It has nothing to tell there."""
    line = f'"{sys.executable}" -m busway_cli audit {command} "{book.directory}" 2>&-'
    done = subprocess.run(line, shell=True, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert done.stdout


def test_an_answer_that_cannot_be_written_exits_with_3(book):
    """2 would say that the tail is torn."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "busway_cli", "audit", "verify", str(book.directory)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr == b"busway: the output: No space left on device\n"


def test_a_line_that_does_not_fit_into_the_memory_exits_with_3(book, monkeypatch):
    """2 would say that the tail is torn."""
    os.truncate(book.path, 1 << 30)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29));"
    code = f"{limit} from busway_cli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", "verify", str(book.directory)],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"the memory does not suffice" in done.stderr


def test_progress_is_shown_on_a_terminal(tmp_path):
    """Beside the answer."""
    book = Book(tmp_path)
    for _ in range(30):
        book.batch(100)
    out, told = on_a_terminal(tmp_path)
    assert out == b"events in 1 file:\n3000\n"
    assert b"verifying" in told
    assert b"%" in told


def test_progress_is_shown_nowhere_else(tmp_path):
    """Not in a log."""
    book = Book(tmp_path)
    for _ in range(30):
        book.batch(100)
    assert run(tmp_path).stderr == ""


def test_a_trail_is_looked_for_where_it_is_by_default(tmp_path, monkeypatch):
    """`audit`, in the directory where one is."""
    Book(tmp_path / "audit").batch(3)
    monkeypatch.chdir(tmp_path)
    assert run().stdout == "events in 1 file:\n3\n"


def test_help_is_short():
    """One line a command."""
    done = CliRunner().invoke(audit, ["--help"])
    _, _, listed = done.stdout.partition("Commands:\n")
    names = [line.split()[0] for line in listed.splitlines()]
    assert names == ["checkpoint", "export", "keygen", "tail", "verify"]
    assert "..." not in listed
