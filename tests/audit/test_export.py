"""`busway audit export`: all events of a trail, for other programs and for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import timedelta

import pytest
from click.testing import CliRunner
from tests.audit.by_the_book import BEGAN, KEY, Book, lines

from busway_audit._commands.output import binary_stdout
from busway_audit._reading.export import COLUMNS, write_csv
from busway_audit.commands import audit


def export(path, *options: str):
    return CliRunner().invoke(audit, ["export", str(path), *options])


def rows(path, *options: str) -> list[dict[str, str]]:
    done = export(path, "--format", "csv", *options)
    assert done.exit_code == 0
    return list(csv.DictReader(io.StringIO(done.stdout, newline="")))


@pytest.fixture
def book(tmp_path) -> Book:
    """Events 2 to 4; then, in another segment, 9 and 10."""
    made = Book(tmp_path / "audit")
    made.batch(3)
    made.rotate()
    made.batch(2)
    return made


def test_lines_are_exported_byte_for_byte(book):
    """Those of events, and of whole batches."""
    book.event()
    done = export(book.directory)
    first = lines(book.directory / "audit-000001.jsonl")
    assert done.stdout_bytes == b"".join([*first[1:4], *lines(book.path)[1:3]])
    assert done.exit_code == 0


def test_slots_are_exported_in_the_order_of_their_recording(tmp_path):
    """As one trail."""
    Book(tmp_path).batch(2)
    Book(tmp_path, slot=2, began=BEGAN + timedelta(seconds=0.5)).batch(2)
    told = [json.loads(line)["id"] for line in export(tmp_path).stdout.splitlines()]
    assert told == ["id-1-2", "id-2-2", "id-1-3", "id-2-3"]


def test_events_are_chosen_by_type_and_time(tmp_path):
    """Both, if both are given."""
    book = Book(tmp_path)
    for type_ in ("user.login", "user.logout", "item.created", "user.login"):
        book.batch(1, type_=type_)
    assert [row["seq"] for row in rows(tmp_path, "--type", "user.login")] == ["2", "8"]
    assert [row["seq"] for row in rows(tmp_path, "--type", "user.*")] == ["2", "4", "8"]
    assert [row["seq"] for row in rows(tmp_path, "--since", "2026-01-01T00:00:05")] == ["6", "8"]
    chosen = ("--type", "user.login", "--since", "2026-01-01T00:00:05")
    assert [row["seq"] for row in rows(tmp_path, *chosen)] == ["8"]


def test_a_row_has_the_documented_columns(tmp_path):
    """Payload and metadata as JSON."""
    book = Book(tmp_path, slot=2)
    payload = {"text": 'a "quoted"\nline, é'}
    book.batch(1, payload=payload, metadata={"a": "b"}, source="web", correlation_id="c")
    (row,) = rows(tmp_path)
    assert tuple(row) == COLUMNS
    assert json.loads(row.pop("payload")) == payload
    assert row == {
        "recorded_at": "2026-01-01T00:00:01+00:00",
        "slot": "2",
        "seq": "2",
        "id": "id-2-2",
        "type": "user.login",
        "timestamp": "2026-01-01T00:00:01+00:00",
        "source": "web",
        "correlation_id": "c",
        "causation_id": "",
        "metadata": '{"a":"b"}',
    }


def test_rows_end_as_the_rfc_says(tmp_path):
    """CR LF, in UTF-8."""
    Book(tmp_path).batch(1, source="é")
    told = export(tmp_path, "--format", "csv").stdout_bytes
    assert told.startswith(",".join(COLUMNS).encode() + b"\r\n")
    assert told.endswith(b"\r\n")
    assert "é".encode() in told


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "   @x", "＝1+1", "－1"],  # noqa: RUF001
)
@pytest.mark.parametrize("column", ["source", "correlation_id", "type", "id"])
def test_no_cell_is_a_formula(tmp_path, text, column):
    """A spreadsheet would run it: an apostrophe makes it a text."""
    Book(tmp_path).batch(1, **{column if column != "type" else "type_": text})
    (row,) = rows(tmp_path)
    assert row[column] == f"'{text}"


def test_no_cell_commands_a_terminal(tmp_path):
    """Control characters are shown by their escapes; what ends a line may stand in a cell."""
    Book(tmp_path).batch(1, source="a\x1b]0;x\x07\x7f\x9b\n\t")
    (row,) = rows(tmp_path)
    assert row["source"] == "a\\x1b]0;x\\x07\\x7f\\x9b\n\t"


@pytest.mark.parametrize("text", ["web", "a=b", "1-1", "x@y", " x", "", "'"])
def test_other_cells_are_as_they_were(tmp_path, text):
    """The apostrophe stands before nothing else."""
    Book(tmp_path).batch(1, source=text)
    (row,) = rows(tmp_path)
    assert row["source"] == text


def test_what_does_not_hold_is_not_exported(book):
    """It is named on stderr; the exit code is 1."""
    book.path.write_bytes(book.path.read_bytes().replace(b'"n":9', b'"n":8'))
    done = export(book.directory)
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [2, 3, 4, 10]
    assert "seq 9: its hash is not that of its content" in done.stderr
    assert done.exit_code == 1


def test_a_torn_end_is_told_and_is_no_failure(book):
    """It was never acknowledged."""
    book.event()
    done = export(book.directory)
    assert (len(done.stdout.splitlines()), done.exit_code) == (5, 0)
    assert "torn" in done.stderr


def test_a_file_is_exported_by_itself(book):
    """One segment, with its slot and seqs."""
    assert [(row["slot"], row["seq"]) for row in rows(book.path)] == [("1", "9"), ("1", "10")]


def test_a_sealed_trail_is_checked_with_its_key(tmp_path):
    """Without it, it is said that it was not."""
    book = Book(tmp_path / "audit", key=KEY)
    book.batch(2)
    book.path.write_bytes(book.path.read_bytes().replace(b'"n":2', b'"n":5'))
    (tmp_path / "key").write_text(KEY.hex())
    unchecked = export(book.directory)
    assert (len(unchecked.stdout.splitlines()), unchecked.exit_code) == (2, 0)
    assert "only with --key" in unchecked.stderr
    checked = export(book.directory, "--key", str(tmp_path / "key"))
    assert (len(checked.stdout.splitlines()), checked.exit_code) == (1, 1)


def test_what_is_no_trail_is_refused(tmp_path):
    """With exit code 3, and nothing on stdout."""
    (tmp_path / "x").write_text("hello")
    for path in (tmp_path, tmp_path / "none", tmp_path / "x"):
        done = export(path)
        assert (done.exit_code, done.stdout) == (3, "")
        assert str(path) in done.stderr


def test_a_reader_may_go(tmp_path):
    """No traceback: the exit code is that of a broken pipe."""
    book = Book(tmp_path)
    for _ in range(20):
        book.batch(100)
    process = subprocess.Popen(
        [sys.executable, "-m", "busway_cli", "audit", "export", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_full_disk_is_told(book):
    """The export is not whole: exit code 3."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "busway_cli", "audit", "export", str(book.directory)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr == b"busway: the output: No space left on device\n"


def test_what_nobody_reads_is_not_kept(monkeypatch):
    """If whoever started it has closed its stdout."""
    monkeypatch.setattr(sys, "stdout", None)
    out = binary_stdout()
    assert out.write(b"hello") == 5
    write_csv([], out)
    assert out.tell() == 0


def test_memory_does_not_grow_with_the_trail(tmp_path):
    """Events go out as their batches end: 32 MiB pass within 16 MiB above the baseline."""
    code = """
import resource, sys
from busway_audit.commands import audit
for path in sys.argv[1:]:
    try:
        audit(["export", path], standalone_mode=False)
    except SystemExit:
        pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
    small, big = Book(tmp_path / "small"), Book(tmp_path / "big")
    small.batch(1)
    for _ in range(320):
        big.batch(1, payload={"text": "x" * 100_000})
    arguments = [sys.executable, "-c", code, str(small.directory), str(big.directory)]
    done = subprocess.run(arguments, capture_output=True, check=True)
    before, after = map(int, done.stderr.split())
    assert after - before < 16 * 1024
