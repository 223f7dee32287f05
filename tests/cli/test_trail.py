"""`busway run` on an audit trail: its events, in the order in which they were recorded."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest
from tests.audit.by_the_book import BEGAN, KEY, Book

from busway import EventError
from busway_cli._lines import parse_event


@pytest.fixture
def seen(busway):
    """Runs it on a path, and returns the ids of what a handler has seen, and the report."""
    busway.handler("notes", "def handle(self, event): os.write(2, f'id {event.id}\\n'.encode())")

    def run(path, *options):
        done = busway("run", "--json", str(path), *options)
        told = done.stderr.splitlines()
        ids = [line[3:] for line in told if line.startswith("id ")]
        rest = [line for line in told if not line.startswith("id ")]
        return ids, rest, json.loads(done.stdout) | {"code": done.returncode}

    return run


@pytest.fixture
def book(tmp_path) -> Book:
    """Events 3 and 4; then, in another segment, 9."""
    made = Book(tmp_path / "audit")
    made.own("started", pid=1, host="here")
    made.batch(2)
    made.rotate()
    made.batch(1)
    return made


def ids(*seqs: int, slot: int = 1) -> list[str]:
    return [f"id-{slot}-{seq}" for seq in seqs]


def test_a_recorded_event_is_the_event(tmp_path):
    """What the trail has added is taken off."""
    line = Book(tmp_path).event(source="web", correlation_id="c", metadata={"a": "b"})
    event = parse_event(line)
    assert (event.id, event.source, event.correlation_id) == ("id-1-2", "web", "c")
    assert (event.payload, event.metadata) == ({"n": 2}, {"a": "b"})


def test_the_trail_s_own_records_are_no_events(tmp_path):
    """They are passed over as blank lines are."""
    book = Book(tmp_path)
    book.batch(1)
    header, _, commit = book.path.read_bytes().splitlines()
    assert parse_event(header) is None
    assert parse_event(commit) is None


def test_a_line_that_lacks_what_a_trail_has_is_none_of_one(tmp_path):
    """Only together do these keys mean something."""
    whole = json.loads(Book(tmp_path).event())
    for key in ("seq", "recorded_at", "prev", "hash"):
        part = {name: value for name, value in whole.items() if name != key}
        with pytest.raises(EventError, match="no field of an event"):
            parse_event(json.dumps(part).encode())


def test_a_segment_is_run(seen, book):
    """The trail's own records are neither read nor rejected."""
    found, told, report = seen(book.directory / "audit-000001.jsonl")
    assert (found, told) == (ids(3, 4), [])
    assert (report["read"], report["rejected"], report["code"]) == (2, 0, 0)


def test_a_trail_is_run(seen, book):
    """All its segments, in order; what else is in the directory is not looked at."""
    for name in ("audit.lock", "audit-000001.torn-1", "other.jsonl", "audit-x-000001.jsonl"):
        (book.directory / name).write_text("hello\n")
    (book.directory / "audit-000009.jsonl").mkdir()
    found, told, report = seen(book.directory)
    assert (found, told) == (ids(3, 4, 9), [])
    assert (report["read"], report["published"], report["code"]) == (3, 3, 0)


def test_slots_are_run_in_the_order_of_their_recording(seen, tmp_path):
    """Each slot's own order stays, whatever its clock did."""
    book = Book(tmp_path / "audit")
    other = Book(book.directory, slot=2, began=BEGAN + timedelta(seconds=0.5), key=KEY)
    for each in (book, other):
        each.event()
        each.rotate()
        each.batch(2)
    other.now -= timedelta(hours=1)
    other.batch(1)
    found, _, report = seen(book.directory)
    in_turn = [one for pair in zip(ids(2, 6, 7), ids(2, 6, 7, slot=2), strict=True) for one in pair]
    assert found == [*in_turn, *ids(9, slot=2)]
    assert report["code"] == 0


def test_what_does_not_count_is_not_run(seen, book):
    """A sync has failed: the batch stands in the next segment."""
    book.event()
    book.append(b'{"seq":')
    book.segment("sync failed")
    book.batch(1)
    found, told, _ = seen(book.directory)
    assert (found, told) == (ids(3, 4, 9, 12), [])


def test_a_line_that_was_damaged_is_rejected(seen, book, busway):
    """It is named, and kept, as any line that is none; what comes after it is not hurt."""
    Book(book.directory, slot=2, began=BEGAN + timedelta(hours=1)).batch(1)
    book.append(b'{"seq":11,"reco\n')
    book.batch(1)
    found, told, report = seen(book.directory, "--rejects", "bad")
    assert found == [*ids(3, 4, 9, 11), *ids(2, slot=2)]
    assert len(told) == 1
    assert (report["rejected"], report["code"]) == (1, 1)
    assert (busway.directory / "bad").read_bytes() == b'{"seq":11,"reco\n'


def test_a_batch_that_was_not_finished_is_not_run(seen, book):
    """It is being written, or a crash has torn it: the next writer will cut it off."""
    book.event()
    book.append(b'{"seq":12,"reco')
    found, told, report = seen(book.directory)
    assert (found, told) == (ids(3, 4, 9), [])
    assert (report["rejected"], report["code"]) == (0, 0)


@pytest.mark.parametrize(
    "name",
    [
        "audit-w1-000001.jsonl",
        "audit-w02-000001.jsonl",
        "audit-0000001.jsonl",
        "audit-w\u0663-000001.jsonl",
    ],
)
def test_a_name_that_no_writer_gives_is_no_segment(seen, book, name):
    """`busway audit verify` does not look at such a file either."""
    other = Book(book.directory, slot=3)
    other.batch(1)
    other.path.rename(book.directory / name)
    found, _, report = seen(book.directory)
    assert (found, report["code"]) == (ids(3, 4, 9), 0)


def test_a_missing_segment_hides_nothing_else(seen, book):
    """The size that a header tells is that of the segment before it, which is not there."""
    before = book.path
    book.rotate()
    book.batch(1)
    before.unlink()
    found, told, _ = seen(book.directory)
    assert (found, told) == (ids(3, 4, 14), [])


def test_an_export_is_run(busway, seen, book):
    """What `busway audit export` prints, or any other program has kept."""
    (busway.directory / "export").write_bytes(b"".join(
        line
        for path in sorted(book.directory.iterdir())
        for line in path.read_bytes().splitlines(keepends=True)
        if b'"record"' not in line
    ))  # fmt: skip
    found, _, report = seen("export")
    assert (found, report["code"]) == (ids(3, 4, 9), 0)


def test_a_trail_that_is_being_written_ends(busway, book):
    """It is read to the end that it had, or a run that is audited into it would never end."""
    path = book.path
    busway.handler(
        "writes",
        f"""
        def handle(self, event):
            with open({str(path)!r}, "ab") as file:
                file.write(b'{{"type": "user.logout", "payload": {{}}, '
                           b'"timestamp": "2026-01-01T00:00:00Z"}}\\n')
        """,
    )
    for source, events in ((book.directory, 3), (path, 1 + 3)):
        done = busway("run", "--json", str(source))
        assert json.loads(done.stdout)["published"] == events


def test_a_directory_without_a_trail_is_refused(busway):
    """It may have been a mistake."""
    (busway.directory / "empty").mkdir()
    done = busway("run", "empty")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "busway: empty: Is a directory, and holds no audit trail\n"


def test_a_trail_without_events_is_run(seen, tmp_path):
    """Segments that are empty, too."""
    book = Book(tmp_path / "audit")
    book.own("started", pid=1, host="here")
    book.commit()
    (book.directory / "audit-000002.jsonl").touch()
    found, told, report = seen(book.directory)
    assert (found, told, report["code"]) == ([], [], 0)


@pytest.mark.parametrize("name", ["audit-000001.jsonl", "audit-000002.jsonl"])
def test_rejects_may_not_be_a_segment(busway, book, name):
    """Emptying it would lose it."""
    before = (book.directory / name).read_bytes()
    rejects = os.path.relpath(book.directory / name, busway.directory)
    done = busway("run", str(book.directory), "--rejects", rejects)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"busway: --rejects {rejects}: that is the input itself\n"
    assert (book.directory / name).read_bytes() == before


def test_a_segment_that_goes_away_breaks_the_input_off(busway, tmp_path):
    """What was read is handled to its end; the exit code is 2."""
    book = Book(tmp_path / "audit")
    book.batch(500)
    book.rotate()
    book.batch(1)
    busway.handler(
        "removes",
        f"""
        def handle(self, event):
            if os.path.exists({str(book.path)!r}):
                os.unlink({str(book.path)!r})
        """,
    )
    done = busway("run", "--json", str(book.directory))
    assert (done.returncode, json.loads(done.stdout)["published"]) == (2, 500)
    assert done.stderr.endswith(": No such file or directory\n")
