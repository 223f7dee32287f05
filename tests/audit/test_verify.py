"""`verify`: what is whole, what is torn, what was tampered with, and where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.audit.by_the_book import KEY, Book, lines

from busway_audit import Finding, TrailError, Verification, verify

OTHER_KEY = bytes(reversed(KEY))


def findings(path: Path, **options) -> list[Finding]:
    found: list[Finding] = []
    verify(path, found.append, **options)
    return found


def verdict(path: Path, **options) -> tuple[str, int | None]:
    """`whole`, `torn` or `tampered`; and the first bad seq."""
    found = verify(path, print, **options)
    said = "tampered" if found.tampered else "torn" if found.torn else "whole"
    assert found.whole == (said == "whole")
    return said, found.first and found.first.seq


@pytest.fixture
def book(tmp_path) -> Book:
    """A bare chain: header 1, events 2 to 4, commit 5; events 6 to 8, commit 9."""
    made = Book(tmp_path / "audit")
    made.batch(3)
    made.batch(3)
    return made


@pytest.fixture
def sealed(tmp_path) -> Book:
    """The same, sealed."""
    made = Book(tmp_path / "audit", key=KEY)
    made.batch(3)
    made.batch(3)
    return made


def rewrite(book: Book, change: Callable[[list[bytes]], object], path: Path | None = None) -> None:
    """Change the lines of a segment."""
    changed = lines(path or book.path)
    change(changed)
    (path or book.path).write_bytes(b"".join(changed))


def test_a_trail_that_was_not_touched_is_whole(book):
    """The count is that of the events; the end is that of the last commit."""
    found = verify(book.directory, print)
    assert (found.events, found.files, found.first) == (6, 1, None)
    assert (found.tampered, found.torn, found.recovered, found.dropped) == (0, 0, 0, 0)
    (head,) = found.heads
    assert (head.slot, head.log, head.segment) == (1, book.log, 1)
    assert (head.seq, head.hash) == (9, book.prev)


def test_segments_and_slots_are_one_trail(book):
    """The records of a chain go on through its segments; each slot has a chain of its own."""
    book.rotate()
    book.batch(2)
    Book(book.directory, slot=2).batch(4)
    found = verify(book.directory, print)
    assert found.whole
    assert (found.events, found.files, len(found.heads)) == (12, 3, 2)


def test_segments_are_in_the_order_of_their_numbers(book):
    """Beyond 999,999 names no longer sort as numbers do."""
    book.rotate()
    book.number = 999_998
    book.path.with_name("audit-000002.jsonl").unlink()
    book.seq, book.prev = book.committed
    for _ in range(3):
        book.segment()
        book.batch(1)
    assert verdict(book.directory) == ("whole", None)


def _alter(changed: list[bytes], at: int, old: bytes, new: bytes) -> None:
    assert old in changed[at]
    changed[at] = changed[at].replace(old, new)


TAMPERED = {
    "a payload": (lambda all_: _alter(all_, 2, b'"n":3', b'"n":4'), 3),
    "a hash": (lambda all_: all_.__setitem__(2, all_[2][:-67] + b"0" * 64 + b'"}\n'), 3),
    "a time": (lambda all_: _alter(all_, 2, b"2026", b"2025"), 3),
    "a seq": (lambda all_: _alter(all_, 2, b'"seq":3', b'"seq":4'), 3),
    "a deleted event": (lambda all_: all_.pop(2), 3),
    "two deleted events": (lambda all_: (all_.pop(2), all_.pop(2)), 3),
    "a deleted commit": (lambda all_: all_.pop(4), 5),
    "a deleted header": (lambda all_: all_.pop(0), 1),
    "a doubled event": (lambda all_: all_.insert(2, all_[2]), 4),
    "a doubled batch": (lambda all_: all_.extend(all_[5:]), 10),
    "two swapped events": (lambda all_: all_.insert(2, all_.pop(3)), 3),
    "an added line": (lambda all_: all_.insert(2, b"hello\n"), 3),
    "an empty line": (lambda all_: all_.insert(2, b"\n"), 3),
    "two lines made one": (lambda all_: _alter(all_, 2, b"\n", b" "), 3),
    "space at the end": (lambda all_: _alter(all_, 2, b"}\n", b"} \n"), 3),
    "a line of Windows": (lambda all_: _alter(all_, 2, b"\n", b"\r\n"), 3),
    "a byte order mark": (lambda all_: all_.insert(0, b"\xef\xbb\xbf" + all_.pop(0)), 1),
    "the last event": (lambda all_: _alter(all_, 7, b'"n":8', b'"n":9'), 8),
    "the last commit": (lambda all_: _alter(all_, 8, b'"events":3', b'"events":2'), 9),
}


@pytest.mark.parametrize(("change", "seq"), TAMPERED.values(), ids=TAMPERED)
@pytest.mark.parametrize("key", [None, KEY], ids=["bare", "sealed"])
def test_tampering_is_found(tmp_path, change, seq, key):
    """And the first seq that is not as it was is named."""
    book = Book(tmp_path / "audit", key=key)
    book.batch(3)
    book.batch(3)
    rewrite(book, change)
    assert verdict(book.directory, keys=[key] if key else []) == ("tampered", seq)


def test_a_finding_names_its_place(book):
    """File, line, and why; nothing of what stands there."""
    rewrite(book, lambda all_: _alter(all_, 2, b'"n":3', b'"n":"secret"'))
    (found,) = findings(book.directory)
    assert (found.file, found.line, found.seq, found.torn) == (book.path, 3, 3, False)
    assert str(found) == f"{book.path}:3: seq 3: its hash is not that of its content"


def test_what_stands_behind_is_still_read(book):
    """Everything that does not hold is found, and all else is counted."""
    rewrite(book, lambda all_: (_alter(all_, 1, b"2", b"3"), all_.pop(6)))
    found = findings(book.directory)
    assert [(one.line, one.seq) for one in found] == [(2, 2), (7, 7)]
    assert verify(book.directory, print).events == 4


def test_a_commit_that_tells_another_number_is_found(book):
    """Even one whose hash is right: a bare chain can be hashed by anybody."""
    book.event()
    book.commit(events=2)
    assert verdict(book.directory) == ("tampered", 11)
    assert "another batch" in findings(book.directory)[0].reason


def test_a_commit_that_tells_another_beginning_is_found(book):
    """Then it is the commit of another batch."""
    book.event()
    book.commit(first=9)
    assert verdict(book.directory) == ("tampered", 11)


def test_a_deleted_segment_is_found(book):
    """The first one, and one in the middle."""
    for _ in range(2):
        book.rotate()
        book.batch(1)
    names = sorted(book.directory.iterdir())
    for deleted, seq in ((names[0], 1), (names[1], 12)):
        content = deleted.read_bytes()
        deleted.unlink()
        assert verdict(book.directory) == ("tampered", seq)
        deleted.write_bytes(content)
    assert verdict(book.directory) == ("whole", None)


def test_a_segment_under_another_name_is_found(book):
    """Its header tells its number, and its slot."""
    copy = book.directory / "audit-w2-000001.jsonl"
    copy.write_bytes(book.path.read_bytes())
    assert verdict(book.directory)[0] == "tampered"
    copy.rename(book.directory / "audit-000002.jsonl")
    assert verdict(book.directory)[0] == "tampered"


def test_a_segment_of_another_log_is_found(book, tmp_path):
    """However well it holds by itself."""
    book.rotate()
    other = Book(tmp_path / "other", log="f" * 32)
    other.batch(3)
    other.batch(3)
    other.rotate()
    other.batch(1)
    book.path.write_bytes(other.path.read_bytes())
    assert verdict(book.directory) == ("tampered", 12)
    assert any("another log" in one.reason for one in findings(book.directory))


def test_other_files_are_none_of_the_trail(book):
    """Locks, what was set aside, and whatever else somebody puts there."""
    for name in (
        "audit.lock",
        "audit-000001.torn-1",
        "audit-1.jsonl",
        "x.jsonl",
        "audit-w1-000001.jsonl",
    ):
        (book.directory / name).write_bytes(b"hello\n")
    assert verdict(book.directory) == ("whole", None)


def test_bytes_behind_a_segment_s_end_are_found(book):
    """Somebody has added them: it was whole when the next one was begun."""
    full = book.path
    book.rotate()
    book.batch(1)
    with full.open("ab") as file:
        file.write(b"hello\n")
    assert verdict(book.directory) == ("tampered", 12)
    assert findings(book.directory)[0].reason == "6 bytes stand behind its end"


@pytest.mark.parametrize("because", ["sync failed", "write failed"])
def test_what_was_not_acknowledged_does_not_count(book, because):
    """A disk has refused: the batch stands in the next segment, and what is left of it here."""
    book.event(payload={"n": "abandoned"})
    book.append(b'{"seq":')
    book.segment(because)
    book.batch(1)
    assert verify(book.directory, print).events == 7
    assert verdict(book.directory) == ("whole", None)


@pytest.mark.parametrize("because", ["damaged", "cut", "head lost"])
def test_what_the_writer_found_stays_a_finding(book, because):
    """It has seen, at its start, what is not to be seen any more."""
    book.rotate(because)
    book.batch(1)
    assert verdict(book.directory) == ("tampered", 12)


def test_a_log_that_had_to_begin_anew_is_a_finding(book):
    """Nothing of the old one could be read: the new one begins at seq 1."""
    rewrite(book, lambda all_: all_.__setitem__(slice(None), [b"?" * 100 + b"\n"]))
    book.committed, book.counted, book.log = (0, "0" * 64), 0, "f" * 32
    book.segment("damaged")
    book.batch(3)
    found = verify(book.directory, print)
    assert (found.tampered > 0, found.events) == (True, 3)


def blank(book: Book, kept: int) -> None:
    """A batch whose first block never came; of its lines, so many did, and its commit."""
    size = book.path.stat().st_size
    book.batch(5)
    content = book.path.read_bytes()
    end = size + len(b"".join(content[size:].splitlines(keepends=True)[: 5 - kept])) - 9
    book.path.write_bytes(content[:size] + b"\0" * (end - size) + content[end:])


TORN = {
    "a line without its end": lambda book: (book.event(), book.append(b'{"seq":11,"reco')),
    "nothing but half a line": lambda book: book.append(b'{"seq":10,"reco'),
    "a line that lacks its newline": lambda book: book.append(book.line({"record": "x"})[:-1]),
    "a batch without its commit": lambda book: (book.event(), book.event()),
    "blocks that never came": lambda book: book.append(b"\0" * 4096 + b'"}\n'),
    "blocks that never came before others": lambda book: (
        book.append(b"\0" * 512),
        book.event(),
        book.event(),
    ),
    "blocks that never came before its commit": lambda book: blank(book, 3),
    "nothing but its commit": lambda book: blank(book, 0),
}


@pytest.mark.parametrize("tear", TORN.values(), ids=TORN)
def test_a_batch_that_was_cut_short_is_torn(book, tear):
    """A crash explains it; nothing of it was ever acknowledged."""
    tear(book)
    assert verdict(book.directory) == ("torn", 10)
    assert verify(book.directory, print).events == 6
    (found,) = findings(book.directory)
    assert found.torn


def test_only_the_last_batch_is_torn(book):
    """Each is durable before the next is written: blocks of an older one came, and went."""
    blank(book, 3)
    book.batch(1)
    assert verdict(book.directory) == ("tampered", 10)
    assert verify(book.directory, print).events == 6 + 3 + 1


def test_a_change_is_not_excused_by_a_torn_end(book):
    """No crash alters what a line says; and it doubles none."""
    whole = lines(book.path)
    changed = [*whole[:6], whole[6].replace(b'"n":7', b'"n":9'), *whole[7:]]
    doubled = [*whole[:7], whole[6], *whole[7:]]
    for all_, seq in ((changed, 7), (doubled, 8)):
        book.path.write_bytes(b"".join(all_)[:-1])
        assert verdict(book.directory) == ("tampered", seq)


def test_only_one_batch_is_torn_behind_a_header_that_never_came(book):
    """There are two: so it had come."""
    content = book.path.read_bytes()
    book.path.write_bytes(b"\0" * 100 + content[100:])
    assert verdict(book.directory) == ("tampered", 1)


def test_a_torn_batch_that_the_head_knows_was_tampered_with(sealed):
    """It had been durable."""
    blank(sealed, 3)
    assert verdict(sealed.directory, keys=[KEY])[0] == "tampered"


def test_a_segment_whose_header_never_came_is_torn(book):
    """Its first batch is its only one."""
    book.rotate()
    book.batch(2)
    content = book.path.read_bytes()
    for end in (100, len(content) - 150):
        book.path.write_bytes(b"\0" * end + content[end:])
        assert verdict(book.directory) == ("torn", 12)
        assert verify(book.directory, print).events == 6


def test_a_batch_that_was_begun_in_two_segments_may_be_torn_in_both(book):
    """Its sync had failed in one; of the next, which would have said so, the header never came."""
    committed, counted = book.committed, book.counted
    before = book.path.stat().st_size
    book.batch(2)
    content = book.path.read_bytes()
    book.path.write_bytes(content[:before] + b"\0" * 100 + content[before + 100 :])
    book.committed, book.counted = committed, counted
    book.segment("sync failed")
    book.batch(2)
    content = book.path.read_bytes()
    book.path.write_bytes(b"\0" * 100 + content[100:])
    assert verdict(book.directory) == ("torn", committed[0] + 1)


def test_a_segment_that_was_begun_may_be_torn(book):
    """In its header, too; one that is empty is whole."""
    book.rotate()
    header = book.path.read_bytes()
    for content, said in ((header, "torn"), (header[:-1], "torn"), (header[:20], "torn")):
        book.path.write_bytes(content)
        assert verdict(book.directory) == (said, 12)
    book.path.write_bytes(b"")
    assert verdict(book.directory) == ("whole", None)


def test_only_the_end_is_torn(book):
    """A batch without its commit in the middle is none of a crash's work."""
    book.event()
    book.first, book.events = book.seq + 1, 0
    book.batch(1)
    assert verdict(book.directory) == ("tampered", 12)


def test_a_torn_end_that_the_head_knows_was_tampered_with(sealed):
    """A head is written when a batch is durable: a crash can tear nothing before it."""
    assert verdict(sealed.directory, keys=[KEY]) == ("whole", None)
    content = sealed.path.read_bytes()
    for end in (len(content) - 1, len(content) - 100):
        sealed.path.write_bytes(content[:end])
        assert verdict(sealed.directory, keys=[KEY])[0] == "tampered"


def test_an_end_beyond_the_head_may_be_torn(sealed):
    """The next batch was being written."""
    sealed.event()
    assert verdict(sealed.directory, keys=[KEY]) == ("torn", 10)


def test_a_trail_ahead_of_its_head_is_whole(sealed):
    """Heads are not synced: after a crash one may be older than the trail."""
    old = sealed.head_path.read_bytes()
    sealed.batch(2)
    sealed.head_path.write_bytes(old)
    assert verdict(sealed.directory, keys=[KEY]) == ("whole", None)


def test_a_head_from_before_the_first_batch_is_no_finding(sealed):
    """It is made before there is a log."""
    sealed.head(log="", segment=0, seq=0, hash="0" * 64)
    assert verdict(sealed.directory, keys=[KEY]) == ("whole", None)


def test_whole_batches_cut_off_are_found_by_the_head(sealed):
    """Which a bare chain cannot show."""
    rewrite(sealed, lambda all_: all_.__delitem__(slice(5, None)))
    assert verdict(sealed.directory, keys=[KEY]) == ("tampered", 6)
    (found,) = findings(sealed.directory, keys=[KEY])
    assert found.reason == "audit.head names seq 9, which is not there"


def test_whole_batches_cut_off_a_bare_chain_are_not_found(book):
    """The known limit, of which the documentation speaks."""
    rewrite(book, lambda all_: all_.__delitem__(slice(5, None)))
    assert verdict(book.directory) == ("whole", None)


HEADS = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "changed": lambda path: path.write_bytes(path.read_bytes().replace(b'"seq":9', b'"seq":5')),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "no head": lambda path: path.write_bytes(b"[]".ljust(512)),
}


@pytest.mark.parametrize("change", HEADS.values(), ids=HEADS)
def test_a_head_that_was_tampered_with_is_found(sealed, change):
    """It would hide that the end was cut off."""
    change(sealed.head_path)
    assert verdict(sealed.directory, keys=[KEY]) == ("tampered", 10)


@pytest.mark.parametrize("content", [b"", b"x" * 500, b"\0" * 500])
def test_a_segment_that_was_wiped_with_its_head_is_found(sealed, content):
    """A crash may tear a chain's first batch; but the head was made before."""
    sealed.path.write_bytes(content)
    sealed.head_path.unlink()
    assert verdict(sealed.directory, keys=[KEY]) == ("tampered", 1)


def test_heads_that_were_swapped_are_found(sealed):
    """Each is good, and each slot has one."""
    other = Book(sealed.directory, slot=2, key=KEY)
    other.batch(1)
    one, two = sealed.head_path.read_bytes(), other.head_path.read_bytes()
    sealed.head_path.write_bytes(two)
    other.head_path.write_bytes(one)
    assert verdict(sealed.directory, keys=[KEY])[0] == "tampered"


def test_a_head_without_its_slot_is_found(sealed):
    """All that it speaks of was deleted."""
    Book(sealed.directory, slot=2, key=KEY).batch(1)
    (sealed.directory / "audit-w2-000001.jsonl").unlink()
    assert verdict(sealed.directory, keys=[KEY]) == ("tampered", 3)


def test_a_sealed_trail_needs_its_key(sealed):
    """Without it nothing can be said."""
    with pytest.raises(TrailError, match="--key"):
        verify(sealed.directory, print)


def test_another_key_does_not_do(sealed):
    """Whoever sealed it anew has another."""
    assert verdict(sealed.directory, keys=[OTHER_KEY])[0] == "tampered"
    assert verify(sealed.directory, print, keys=[OTHER_KEY]).events == 0
    (found,) = {one.reason for one in findings(sealed.path, keys=[OTHER_KEY])}
    assert "another key" in found


def test_a_key_demands_a_seal(book):
    """A bare chain could have been put in the place of a sealed one."""
    assert verdict(book.directory, keys=[KEY]) == ("tampered", 1)


def test_a_key_demands_a_seal_of_a_file(book):
    """It could have been put in the place of a sealed one, too."""
    assert verdict(book.path, keys=[KEY]) == ("tampered", 1)
    assert verify(book.path, print, keys=[KEY]).events == 0


def test_a_seal_may_come_later(book):
    """A trail that was begun without a key: its first seal covers what stands before."""
    book.rotate("key changed", key=KEY)
    book.batch(2)
    assert verdict(book.directory, keys=[KEY]) == ("whole", None)


def test_a_seal_may_not_go(sealed):
    """From then on anybody could have written it."""
    sealed.rotate("key changed", key=None)
    sealed.batch(2)
    assert verdict(sealed.directory, keys=[KEY])[0] == "tampered"
    assert verify(sealed.directory, print, keys=[KEY]).events == 6


def test_a_key_may_change(sealed):
    """If both are given."""
    sealed.rotate("key changed", key=OTHER_KEY)
    sealed.batch(2)
    assert verdict(sealed.directory, keys=[OTHER_KEY, KEY]) == ("whole", None)
    assert verdict(sealed.directory, keys=[OTHER_KEY])[0] == "tampered"


def test_what_the_writer_tells_of_itself_is_counted(book):
    """Batches that it cut off, and events that it dropped."""
    book.own("recovered", segment=1, cut=10, kept="audit-000001.torn-1")
    book.own("gap", events=7, first_at="", last_at="")
    book.own("gap", events=5, first_at="", last_at="")
    book.own("something new", x=1)
    book.commit()
    found = verify(book.directory, print)
    assert (found.whole, found.events) == (True, 6)
    assert (found.recovered, found.dropped) == (1, 12)


def test_a_later_version_is_not_judged(tmp_path):
    """It says that it takes a later release."""
    book = Book(tmp_path / "audit")
    book.segment(version=2)
    book.commit()
    with pytest.raises(TrailError, match="version 2"):
        verify(book.directory, print)


def test_a_file_is_verified_by_itself(book, tmp_path):
    """Under any name; that it begins and ends where it should is not seen."""
    book.rotate()
    book.batch(2)
    copy = tmp_path / "copy"
    copy.write_bytes(book.path.read_bytes())
    found = verify(copy, print)
    assert (found.whole, found.events, found.heads[0].segment) == (True, 2, 2)
    rewrite(book, lambda all_: _alter(all_, 1, b"13", b"14"), copy)
    assert verdict(copy) == ("tampered", 13)


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"seq":1}\n', b"{}"])
def test_a_file_that_is_no_segment(tmp_path, content):
    """Is refused, not called tampered with."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(TrailError, match="no segment"):
        verify(tmp_path / "x", print)


def test_a_directory_without_a_trail(tmp_path):
    """Is refused: nobody is to believe that it was verified."""
    with pytest.raises(TrailError, match="no audit trail"):
        verify(tmp_path, print)


def test_a_path_that_is_not_there(tmp_path):
    """Is an OSError that names it."""
    with pytest.raises(FileNotFoundError) as caught:
        verify(tmp_path / "none", print)
    assert caught.value.filename == str(tmp_path / "none")


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("audit-000001.jsonl")])
@pytest.mark.parametrize("name", ["audit-000002.jsonl", "audit.head"])
def test_what_is_no_file_is_not_read(sealed, make, name):
    """A pipe would hang, a link lead elsewhere."""
    path = sealed.directory / name
    path.unlink(missing_ok=True)
    make(path)
    with pytest.raises(OSError) as caught:
        verify(sealed.directory, print, keys=[KEY])
    assert caught.value.filename == str(path)


def test_progress_is_told(book):
    """In bytes read of bytes that there are."""
    for _ in range(10):
        book.batch(100)
    told = []
    verify(book.directory, print, progress=lambda *args: told.append(args))
    size = book.path.stat().st_size
    assert told == [(told[0][0], size)]
    assert size * 0.9 < told[0][0] <= size


def test_a_line_without_end_does_not_fill_the_memory(book, monkeypatch):
    """It is read in parts, none of which is a line."""
    monkeypatch.setattr("busway_audit._reading.trail.MAX_LINE", 1_000)
    book.append(b"x" * 10_000)
    assert verdict(book.directory) == ("torn", 10)
    book.append(b"\n")
    assert verdict(book.directory) == ("tampered", 10)


def test_it_reads_a_line_at_a_time(tmp_path):
    """Memory does not grow with the trail: 64 MiB are read within 16 MiB above the baseline."""
    code = """
import resource, sys
from pathlib import Path
from busway_audit import verify
verify(Path(sys.argv[1]), print)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
events = verify(Path(sys.argv[2]), print).events
print(events, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    small, big = Book(tmp_path / "small"), Book(tmp_path / "big")
    small.batch(1)
    for _ in range(64):
        big.batch(10, payload={"text": "x" * 100_000})
    arguments = [sys.executable, "-c", code, str(small.directory), str(big.directory)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    events, grown = map(int, done.stdout.split())
    assert events == 640
    assert grown < 16 * 1024


def test_a_verification_can_be_shown(book):
    """It is a plain value."""
    found = verify(book.directory, print)
    assert isinstance(found, Verification)
    assert json.dumps({"events": found.events}) == '{"events": 6}'
