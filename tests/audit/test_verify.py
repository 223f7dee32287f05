"""`busway audit verify`: what is whole, what is not, and how it says so."""

import json
import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from tests.audit.trail import login

from busway.events import Event
from busway_audit import AuditLogHandler, BadLine, Verification, verify
from busway_audit._encoding import encode
from busway_audit.commands import audit

GOOD = encode(login(1))


def broken(**changes):
    """A line with some fields changed, those that are `...` left out."""
    record = {**json.loads(GOOD), **changes}
    return json.dumps({k: v for k, v in record.items() if v is not ...}).encode() + b"\n"


@pytest.fixture
def run(tmp_path):
    def invoke(*lines, options=()):
        (tmp_path / "trail.jsonl").write_bytes(b"".join(lines))
        return CliRunner().invoke(audit, ["verify", str(tmp_path), *options])

    return invoke


async def test_a_trail_that_was_written_is_whole(tmp_path):
    """Every odd payload included: the count is that of the events."""
    handler = AuditLogHandler(tmp_path, buffer_size=3)
    payloads = [{"n": 1}, {1: {2}}, {"\ud800": object()}, {"v": 2**70}, {"v": "\u2028\n"}] * 2
    for payload in payloads:
        await handler.handle(Event("user.login", payload, metadata={"\ud800": "", "\\ud800": ""}))
    await handler.stop()
    found = []
    assert verify(tmp_path, found.append) == Verification(records=10, files=1, bad=0)
    assert not found


def test_the_count_is_printed_last(run):
    """Alone on its line; exit 0."""
    result = run(GOOD, GOOD)
    assert result.stdout.splitlines()[-1] == "2"
    assert result.stderr == ""
    assert result.exit_code == 0


BAD = {
    "cut short": (GOOD[:40] + b"\n", "malformed|truncated"),
    "not JSON": (b"hello\n", "malformed"),
    "empty": (b"\n", "empty"),
    "not UTF-8": (GOOD.replace(b"web", b"w\xff"), "UTF-8"),
    "a list": (b"[]\n", "object"),
    "two objects": (GOOD[:-1] + GOOD, "malformed"),
    "NaN": (GOOD.replace(b'"n":1', b'"n":NaN'), "malformed"),
    "no type": (broken(type=...), "`type`"),
    "a type that is no str": (broken(type=1), r"\$\.type"),
    "an empty type": (broken(type=""), "type"),
    "no payload": (broken(payload=...), "`payload`"),
    "a payload that is no object": (broken(payload=[1]), r"\$\.payload"),
    "no timestamp": (broken(timestamp=...), "`timestamp`"),
    "a timestamp that is none": (broken(timestamp="yesterday"), "timestamp"),
    "a naive timestamp": (broken(timestamp="2026-01-01T00:00:00"), "naive"),
    "an id that is no str": (broken(id=1), r"\$\.id"),
    "metadata that is no object": (broken(metadata=1), r"\$\.metadata"),
    "too deep": (GOOD.replace(b'"n":1', b'"n":' + b"[" * 99_999 + b"]" * 99_999), "deep"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named(run, tmp_path, bad, reason):
    """With file, number and reason on stderr; the others are counted; exit 1."""
    result = run(GOOD, bad, GOOD)
    (told,) = result.stderr.splitlines()
    assert told.startswith(f"{tmp_path / 'trail.jsonl'}:2: ")
    found = []
    verify(tmp_path, found.append)
    assert re.search(reason, found[0].reason)
    assert result.stdout.splitlines()[-1] == "2"
    assert result.exit_code == 1


def test_a_torn_last_line_is_reported_as_such(run):
    """Even one that would be JSON: a write may be under way."""
    result = run(GOOD, GOOD[:-1])
    assert ":2: torn" in result.stderr
    assert result.stdout == "records in 1 file:\n1\n"
    assert result.exit_code == 1


def test_an_unknown_type_is_no_fault(run):
    """The plugin that brought it need not be installed."""
    assert run(broken(type="order.shipped")).exit_code == 0


def test_further_fields_are_no_fault(run):
    """Later versions write more."""
    assert run(broken(seq=1)).exit_code == 0


def test_an_empty_directory_holds_no_records(tmp_path):
    """Which is no error."""
    result = CliRunner().invoke(audit, ["verify", str(tmp_path)])
    assert (result.stdout, result.exit_code) == ("records in 0 files:\n0\n", 0)


def test_a_directory_is_read_in_order_of_name(tmp_path):
    """Its *.jsonl files, and nothing else in it."""
    for name in ("b.jsonl", "a.jsonl", "notes.txt"):
        (tmp_path / name).write_bytes(b"bad\n")
    (tmp_path / "folder.jsonl").mkdir()
    found = []
    assert verify(tmp_path, found.append).files == 2
    assert [bad.file.name for bad in found] == ["a.jsonl", "b.jsonl"]
    assert isinstance(found[0], BadLine)
    assert str(found[0]).startswith(f"{tmp_path / 'a.jsonl'}:1: ")


def test_a_single_file_is_read_whatever_its_name(tmp_path):
    """PATH may be a file."""
    (tmp_path / "trail").write_bytes(GOOD)
    result = CliRunner().invoke(audit, ["verify", str(tmp_path / "trail")])
    assert result.stdout == "records in 1 file:\n1\n"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_path_that_is_not_there_exits_2(tmp_path, options):
    """Named on stderr, nothing on stdout."""
    result = CliRunner().invoke(audit, ["verify", str(tmp_path / "none"), *options])
    assert result.exit_code == 2
    assert "none" in result.stderr
    assert result.stdout == ""


@pytest.mark.skipif(os.name != "posix", reason="needs /proc")
def test_a_file_that_cannot_be_read_exits_2():
    """No traceback: one line that names it."""
    result = CliRunner().invoke(audit, ["verify", "/proc/self/mem"])
    assert result.exit_code == 2
    assert "/proc/self/mem cannot be read: " in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_json_is_one_object(run, tmp_path):
    """Records, files, errors; the exit code is the same."""
    result = run(GOOD, b"bad\n", options=["--json"])
    told = json.loads(result.stdout)
    assert (told["records"], told["files"]) == (1, 1)
    (error,) = told["errors"]
    assert (error["file"], error["line"]) == (str(tmp_path / "trail.jsonl"), 2)
    assert error["reason"]
    assert result.exit_code == 1


def test_it_reads_a_line_at_a_time(tmp_path):
    """Memory does not grow with the file: 64 MiB are read within 40 MiB above the baseline."""
    code = """
import resource, sys
from pathlib import Path
from busway_audit import verify
empty = Path(sys.argv[1]); full = Path(sys.argv[2])
verify(empty, print)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(verify(full, print).records, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    big = encode(Event("user.login", {"v": "x" * 100_000}))
    (tmp_path / "empty").touch()
    with (tmp_path / "full").open("wb") as file:
        for _ in range(640):
            file.write(big)
    arguments = [sys.executable, "-c", code, str(tmp_path / "empty"), str(tmp_path / "full")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    records, grown = map(int, done.stdout.split())
    assert records == 640
    assert grown < 40 * 1024
