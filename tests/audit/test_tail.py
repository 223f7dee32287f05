"""`busway audit tail`: the last events of all slots, and what is added to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.audit.by_the_book import BEGAN, KEY, Book, lines

from busway_audit._format.chain import key_id
from busway_audit._reading.events import Wanted
from busway_audit._reading.tail import tail
from busway_audit.commands import audit

ALL = Wanted()


class Watch:
    """A tail, and what it has shown."""

    def __init__(self, path, wanted=ALL, count=None, keys=()) -> None:
        self.findings = []
        keys = {key_id(key): key for key in keys}
        entries, self._follow = tail(path, wanted, count, keys, self.findings.append)
        self._wanted = wanted
        self.first = self._ids(entries)

    def more(self) -> list[str]:
        """The ids of what was added."""
        return self._ids(filter(self._wanted, self._follow.poll()))

    def _ids(self, entries) -> list[str]:
        return [entry.record.id for entry in entries]


@pytest.fixture
def book(tmp_path) -> Book:
    """Events 2 to 4; then, in another segment, 9 and 10."""
    made = Book(tmp_path / "audit")
    made.batch(3)
    made.rotate()
    made.batch(2)
    return made


def ids(*seqs: int, slot: int = 1) -> list[str]:
    return [f"id-{slot}-{seq}" for seq in seqs]


def run(*options: str | Path):
    return CliRunner().invoke(audit, ["tail", *map(str, options)])


@pytest.mark.parametrize(
    ("count", "seqs"), [(0, []), (1, [10]), (2, [9, 10]), (3, [4, 9, 10]), (9, [2, 3, 4, 9, 10])]
)
def test_the_last_events_are_shown(book, count, seqs):
    """Through as many segments as it takes."""
    assert Watch(book.directory, count=count).first == ids(*seqs)


def test_all_slots_are_shown_in_the_order_of_their_recording(tmp_path):
    """Each slot's own order stays, whatever its clock did."""
    book, other = Book(tmp_path), Book(tmp_path, slot=2, began=BEGAN + timedelta(seconds=0.5))
    book.batch(2)
    other.event()
    other.now -= timedelta(hours=1)
    other.event()
    other.commit()
    expected = [*ids(2), *ids(2, 3, slot=2), *ids(3)]
    assert Watch(tmp_path, count=9).first == expected


def test_types_are_chosen_by_patterns(tmp_path):
    """It goes back as far as it takes to find enough of them."""
    book = Book(tmp_path)
    book.batch(2, type_="order.shipped")
    for _ in range(5):
        book.rotate()
        book.batch(3)
    assert Watch(tmp_path, Wanted(("order.*",)), count=2).first == ids(2, 3)
    assert Watch(tmp_path, Wanted(("order", "x")), count=2).first == []


@pytest.mark.parametrize(
    ("seconds", "seqs"), [(0, [2, 3, 4, 9, 10]), (3, [4, 9, 10]), (9, [10]), (10, [])]
)
def test_since_is_the_time_of_recording(book, seconds, seqs):
    """That second included."""
    wanted = Wanted(since=BEGAN + timedelta(seconds=seconds))
    assert Watch(book.directory, wanted).first == ids(*seqs)
    assert Watch(book.directory, wanted, count=1).first == ids(*seqs[-1:])


def test_since_does_not_read_what_was_finished_before(book):
    """It begins with the last segment that was begun before that time."""
    first = book.directory / "audit-000001.jsonl"
    first.write_bytes(b"hello\n" * 100)
    watch = Watch(book.directory, Wanted(since=BEGAN + timedelta(seconds=9)))
    assert (watch.first, watch.findings) == (ids(10), [])


def test_what_is_not_committed_is_not_shown(book):
    """It may yet be cut off."""
    book.event()
    assert Watch(book.directory).first == ids(2, 3, 4, 9, 10)


def test_what_is_added_follows(book):
    """Once, when its batch is whole."""
    watch = Watch(book.directory)
    assert watch.more() == []
    book.event()
    assert watch.more() == []
    half = book.line({"record": "commit", "first": 12, "events": 1})
    book.append(half[:50])
    assert watch.more() == []
    book.append(half[50:])
    assert watch.more() == ids(12)
    assert watch.more() == []
    assert watch.findings == []


def test_rotation_is_followed(book):
    """However many segments were begun meanwhile."""
    watch = Watch(book.directory)
    for _ in range(3):
        book.batch(1)
        book.rotate()
    assert watch.more() == ids(12, 17, 22)
    book.batch(1)
    assert watch.more() == ids(27)
    assert watch.findings == []


def test_new_slots_are_followed(book):
    """From their beginning."""
    watch = Watch(book.directory, count=1)
    other = Book(book.directory, slot=2)
    other.batch(2)
    book.batch(1)
    assert sorted(watch.more()) == sorted([*ids(12), *ids(2, 3, slot=2)])


def test_an_empty_directory_is_followed(tmp_path):
    """The application may start later."""
    watch = Watch(tmp_path)
    assert watch.more() == []
    Book(tmp_path).batch(1)
    assert watch.more() == ids(2)


def test_a_batch_that_was_cut_off_and_written_again_is_shown_once(book):
    """A full disk: the writer cuts back to the last batch, and tries again."""
    watch = Watch(book.directory)
    size = book.path.stat().st_size
    line = book.event()
    book.append(line[:30])
    assert watch.more() == []
    os.truncate(book.path, size)
    book.seq, book.prev = book.committed
    book.events = 0
    book.event(source="again")
    book.commit()
    assert watch.more() == ids(12)
    assert watch.findings == []


def test_a_batch_that_a_sync_refused_is_shown_once(book):
    """It was whole in one segment, does not count there, and stands in the next."""
    watch = Watch(book.directory)
    committed, counted = book.committed, book.counted
    book.batch(2)
    assert watch.more() == ids(12, 13)
    book.committed, book.counted = committed, counted
    book.segment("sync failed")
    book.batch(2)
    assert watch.more() == []
    book.batch(1)
    assert watch.more() == ids(16)
    assert watch.findings == []


def test_an_end_that_was_cut_off_is_told(book):
    """And what is written then is shown."""
    counted, seq, prev = book.counted, book.seq, book.prev
    book.batch(2)
    watch = Watch(book.directory)
    os.truncate(book.path, counted)
    assert watch.more() == []
    (found,) = watch.findings
    assert (found.seq, found.reason) == (15, "what stood before it was cut off")
    book.seq, book.prev, book.first = seq, prev, seq + 1
    book.batch(1, source="another")
    assert watch.more() == ids(12)


def test_what_does_not_hold_is_told_and_not_shown(book):
    """Once a commit behind it shows that it is there to stay; told once, wherever it begins."""
    changed = lines(book.path)
    changed[1] = changed[1].replace(b'"n":9', b'"n":5')
    book.path.write_bytes(b"".join(changed))
    watch = Watch(book.directory, count=9)
    assert watch.first == ids(2, 3, 4, 10)
    assert [found.seq for found in watch.findings] == [9]
    book.append(b"hello\n")
    assert watch.more() == []
    assert len(watch.findings) == 1
    book.seq += 1
    book.batch(1)
    assert watch.more() == ids(13)
    assert [found.seq for found in watch.findings] == [9, 12]


def test_a_seal_is_checked_with_its_key(tmp_path):
    """Without it, only what the lines say of each other."""
    book = Book(tmp_path, key=KEY)
    book.batch(2)
    changed = lines(book.path)
    changed[1] = changed[1].replace(b'"n":2', b'"n":5')
    book.path.write_bytes(b"".join(changed))
    assert Watch(tmp_path, keys=[KEY]).first == ids(3)
    assert Watch(tmp_path).first == ids(2, 3)


def test_it_is_shown_for_people(tmp_path):
    """One line each: time, type, source, payload; nothing that a terminal takes for commands."""
    book = Book(tmp_path)
    book.batch(1, source="web\x1b[2J", payload={"a": ["\u202e", "é"]})
    assert run(tmp_path).stdout == (
        "2026-01-01 00:00:01.000Z  user.login  web\\x1b[2J  "
        '{"a":["\\u202e","\\u00e9"]}\n'
    )  # fmt: skip


def test_it_is_shown_byte_for_byte(book):
    """With --json, for other programs."""
    done = CliRunner().invoke(audit, ["tail", str(book.directory), "--json", "-n", "2"])
    assert done.stdout_bytes == b"".join(lines(book.path)[1:3])
    assert done.exit_code == 0


def test_ten_are_shown_unless_it_is_said(tmp_path):
    """With a time, all."""
    Book(tmp_path).batch(20)
    assert len(run(tmp_path).stdout.splitlines()) == 10
    assert len(run(tmp_path, "--since", "2026-01-01").stdout.splitlines()) == 20
    assert len(run(tmp_path, "--since", "2026-01-01", "-n", "3").stdout.splitlines()) == 3


def test_a_time_is_told_in_several_ways(tmp_path):
    """UTC, unless it says otherwise; or how long ago."""
    book = Book(tmp_path, began=datetime.now(UTC) - timedelta(minutes=30))
    book.batch(1)
    shown = run(tmp_path).stdout
    assert run(tmp_path, "--since", "1h").stdout == shown
    assert run(tmp_path, "--since", "29m").stdout == ""
    hour_ahead = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()[:19] + "+01:00"
    assert run(tmp_path, "--since", hour_ahead).stdout == shown
    assert run(tmp_path, "--since", hour_ahead[:19]).stdout == ""


@pytest.mark.parametrize("time", ["", "yesterday", "5", "5w", "2026-13-01", "99999999d"])
def test_a_time_that_is_none_is_refused(tmp_path, time):
    """With what it could be."""
    Book(tmp_path).batch(1)
    done = run(tmp_path, "--since", time)
    assert done.exit_code == 3
    assert "neither ISO 8601 nor how long ago" in done.stderr


def test_tampering_is_told_by_the_exit_code(book):
    """And on stderr."""
    book.path.write_bytes(book.path.read_bytes().replace(b'"n":9', b'"n":5'))
    done = run(book.directory)
    assert done.exit_code == 1
    assert "seq 9: its hash is not that of its content" in done.stderr


def test_a_sealed_trail_without_its_key_is_marked(tmp_path):
    """Nobody is to believe that it was checked."""
    Book(tmp_path, key=KEY).batch(1)
    done = run(tmp_path)
    assert (done.exit_code, done.stderr) == (
        0,
        "it is sealed: what it says is checked only with --key\n",
    )
    (tmp_path / "key").write_text(KEY.hex())
    assert run(tmp_path, "--key", tmp_path / "key").stderr == ""


@pytest.mark.parametrize("key", [None, bytes(32)], ids=["bare", "another key"])
@pytest.mark.parametrize("command", ["tail", "export"])
def test_what_the_key_did_not_seal_is_told_and_not_shown(tmp_path, command, key):
    """As what does not hold, though nothing stands behind it."""
    Book(tmp_path, key=key).batch(1)
    (tmp_path / "key").write_text(KEY.hex())
    done = CliRunner().invoke(audit, [command, str(tmp_path), "--key", str(tmp_path / "key")])
    assert (done.exit_code, done.stdout) == (1, "")
    (told,) = done.stderr.splitlines()
    assert "sealed by" in told


def test_what_another_key_has_sealed_is_told_once(tmp_path):
    """However often more of it is read."""
    book = Book(tmp_path, key=KEY)
    book.batch(1)
    watch = Watch(tmp_path, keys=[bytes(32)])
    book.batch(1)
    assert (watch.first, watch.more()) == ([], [])
    assert [found.seq for found in watch.findings] == [1]


def test_findings_do_not_fill_the_memory(book, monkeypatch):
    """Of a batch, as many are kept as a crash could cause."""
    monkeypatch.setattr("busway_audit._reading.follow._MOST", 10)
    book.append(b"\n" * 100)
    book.seq += 100
    book.batch(1)
    watch = Watch(book.directory)
    assert len(watch.findings) == 10
    assert watch.first[-1] == f"id-1-{book.seq - 1}"


@pytest.mark.parametrize("path", ["none", "empty", "file"])
def test_what_is_no_trail_is_refused(tmp_path, path):
    """With exit code 3."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    done = run(tmp_path / path)
    assert (done.exit_code, done.stdout) == (3, "")
    assert str(tmp_path / path) in done.stderr


@pytest.fixture
def following(book):
    """`busway audit tail -f` in a process of its own, which has shown what there was."""
    process = subprocess.Popen(
        [sys.executable, "-m", "busway_cli", "audit", "tail", "-f", "--json", str(book.directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for _ in range(5):
        process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_following_shows_each_event_at_once(book, following):
    """Though its output is a pipe."""
    book.batch(1)
    assert json.loads(following.stdout.readline())["seq"] == 12
    book.rotate()
    book.batch(1)
    assert json.loads(following.stdout.readline())["seq"] == 17


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_following_ends_by_a_signal(following, number, code):
    """Without a word: the empty line is what a terminal shows behind ^C."""
    following.send_signal(number)
    out, told = following.communicate(timeout=60)
    assert (following.returncode, out, told) == (code, b"", b"\n")


def test_following_ends_when_nobody_reads(book, following):
    """Also if nothing is added that would tell it so."""
    following.stdout.close()
    assert following.wait(60) == 141
    assert following.stderr.read() == b""
