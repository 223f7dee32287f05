"""Proof of the audit trail's verifier: whatever is done to a trail afterwards, it does not pass.

Small trails of two slots are tampered with in every way of a kind: every bit flipped; every line
deleted, doubled, changed, and moved to every other place; every file cut at every byte, emptied and
deleted; every line, every beginning and every file replaced by that of another trail, sealed by the
same key; and every line changed with all hashes after it made anew, by who does not have the key.

What is sealed by a key, or held against a checkpoint, must never pass, nor be taken for torn. A
bare chain cannot show that whole batches are missing at its end, nor that all of it was written
anew: these are counted as `known limit`, and nothing else may pass. What a seal alone cannot show
(`limits`: an old head put back, a slot that is gone with its head, or was replaced by another
trail's of the same key) must be found with a checkpoint.
"""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.audit.by_the_book import KEY, Book, digest, key_id

from busway_audit import TrailError, verify
from busway_audit.checkpoint import Checkpoint

__all__ = ["pieces", "run", "sample"]

Files = dict[str, bytes]
Changes = dict[str, bytes | None]

OTHER_KEY = bytes(reversed(KEY))
NAMES = ("audit-000001.jsonl", "audit-000002.jsonl", "audit-w2-000001.jsonl")
HEADS = ("audit.head", "audit-w2.head")
TRAILS = ("sealed", "held", "bare")


def written(key: bytes | None, *, log: str = "0") -> Files:
    """A trail: two segments of one slot, one of another, and their heads."""
    with tempfile.TemporaryDirectory() as folder:
        for slot in (1, 2):
            book = Book(Path(folder), slot=slot, key=key, log=f"{log}{slot}".zfill(32))
            book.own("started", pid=slot, host="here")
            book.batch(2)
            if slot == 1:
                book.rotate()
                book.batch(1, source="web")
            book.batch(1, payload={"text": "caf\u00e9 \u2028"})
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


class Trail:
    """A trail in a directory, that is tampered with and put back.

    Attributes:
        files: what it is made of.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.files = written(KEY if kind == "sealed" else None)
        self._folder = folder
        self._keys = [KEY] if kind == "sealed" else []
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        found = verify(folder, print, keys=self._keys)
        assert found.whole
        assert found.events == 7
        self.checkpoint = Checkpoint(heads=found.heads, made_at=datetime.now(UTC))
        assert self.passes({}) == self.passes({}, held=True) == "whole"

    def passes(self, changes: Changes, *, held: bool | None = None) -> str:
        """`whole`, `torn`, or `found`: what the verifier says of it with some files changed."""
        against = [self.checkpoint] if held or (held is None and self.kind == "held") else []
        for name, content in changes.items():
            self._put(name, content)
        try:
            found = verify(self._folder, lambda finding: None, keys=self._keys, against=against)
        except (TrailError, OSError):
            return "found"
        finally:
            for name in changes:
                self._put(name, self.files.get(name))
        return "found" if found.tampered else "torn" if found.torn else "whole"

    def _put(self, name: str, content: bytes | None) -> None:
        if content is None:
            (self._folder / name).unlink(missing_ok=True)
        else:
            (self._folder / name).write_bytes(content)


def flips(trail: Trail) -> Iterator[Changes]:
    """Every bit of every file."""
    for name, content in trail.files.items():
        for position in range(len(content) * 8):
            flipped = bytearray(content)
            flipped[position // 8] ^= 1 << position % 8
            yield {name: bytes(flipped)}


def moves(trail: Trail) -> Iterator[Changes]:
    """Every line deleted, doubled at every place, moved to every other, and swapped with each."""
    for name in NAMES:
        lines = trail.files[name].splitlines(keepends=True)
        for here, line in enumerate(lines):
            without = lines[:here] + lines[here + 1 :]
            yield {name: b"".join(without)}
            for there in range(len(lines) + 1):
                yield {name: b"".join([*lines[:there], line, *lines[there:]])}
            for there in set(range(len(lines))) - {here}:
                yield {name: b"".join([*without[:there], line, *without[there:]])}
        for one, two in itertools.combinations(range(len(lines)), 2):
            swapped = list(lines)
            swapped[one], swapped[two] = swapped[two], swapped[one]
            yield {name: b"".join(swapped)}


def cuts(trail: Trail) -> Iterator[Changes]:
    """Every file cut at every byte, and deleted; all files of a slot deleted but its head."""
    for name, content in trail.files.items():
        for end in range(len(content)):
            yield {name: content[:end]}
        yield {name: None}
    yield dict.fromkeys(NAMES)
    yield dict.fromkeys(NAMES[:2])


def splices(trail: Trail) -> Iterator[Changes]:
    """Every line, every beginning and end, and every file, of another trail of the same key."""
    other = written(KEY if trail.kind == "sealed" else None, log="9")
    for name in NAMES:
        ours, theirs = (one[name].splitlines(keepends=True) for one in (trail.files, other))
        for here, there in itertools.product(range(len(ours)), range(len(theirs))):
            yield {name: b"".join([*ours[:here], theirs[there], *ours[here + 1 :]])}
            yield {name: b"".join([*ours[:here], theirs[there], *ours[here:]])}
        for here, there in itertools.product(range(1, len(ours)), range(len(theirs) + 1)):
            yield {name: b"".join([*ours[:here], *theirs[there:]])}
            yield {name: b"".join([*theirs[:there], *ours[here:]])}
    for name, another in itertools.permutations(trail.files, 2):
        yield {name: trail.files[another]}
    for name, content in other.items():
        yield {name: content}


def rewrites(trail: Trail) -> Iterator[Changes]:
    """Every line changed or left out, and all after it hashed anew without the key.

    In three ways: bare; by another key; and by another key that is called by the right one's id.
    The heads are left, deleted, or written anew by the other key.
    """
    for slot, names in ((1, NAMES[:2]), (2, NAMES[2:])):
        files = [trail.files[name].splitlines(keepends=True) for name in names]
        for change in range(sum(map(len, files))):
            for leave_out, how in itertools.product((True, False), FORGERS[trail.kind]):
                forged, head = _forge(files, change, how, leave_out=leave_out)
                done: Changes = dict(zip(names, forged, strict=True))
                yield done
                if trail.kind == "sealed":
                    yield done | {HEADS[slot - 1]: None}
                    yield done | {HEADS[slot - 1]: head}


def limits(trail: Trail) -> Iterator[Changes]:
    """What no seal shows, because each part of it was sealed by the key."""
    for slot, names in ((1, NAMES[:2]), (2, NAMES[2:])):
        last = names[-1]
        for end in _batches(trail.files[last])[:-1]:
            cut = trail.files[last][:end]
            yield {last: cut, HEADS[slot - 1]: _head_of(cut)}
        yield dict.fromkeys([*names, HEADS[slot - 1]])
        other = written(KEY, log="9")
        yield {name: other[name] for name in (*names, HEADS[slot - 1])}


def _head_of(content: bytes) -> bytes:
    """The head as it was when that was all of the segment."""
    header, last = (json.loads(content.splitlines()[at]) for at in (0, -1))
    with tempfile.TemporaryDirectory() as folder:
        book = Book(Path(folder), key=KEY, log=header["log"])
        book.number, book.seq, book.prev = header["segment"], last["seq"], last["hash"]
        book.head()
        return book.head_path.read_bytes()


def _batches(content: bytes) -> list[int]:
    """Where batches end."""
    ends = itertools.accumulate(map(len, lines := content.splitlines(keepends=True)))
    return [end for end, line in zip(ends, lines, strict=True) if b'"record":"commit"' in line]


FORGERS = {"sealed": ("bare", "other", "posing"), "held": ("bare",), "bare": ("bare",)}


def _forge(
    files: list[list[bytes]], change: int, how: str, *, leave_out: bool
) -> tuple[list[bytes], bytes]:
    """A slot's files with one line changed, all chained anew; and a head for them."""
    lines = [(number, json.loads(line)) for number, each in enumerate(files) for line in each]
    forger = _Forger(lines[0][1]["log"], how)
    lines[change][1]["recorded_at"] = "2026-01-01T12:00:00Z"
    made = [b""] * len(files)
    for at, (number, fields) in enumerate(lines):
        if not (leave_out and at == change):
            made[number] += forger.line(fields, previous=len(made[number - 1]) if number else 0)
    return made, forger.head(len(files))


class _Forger:
    """Chains lines by a key that is not the right one, or by none."""

    def __init__(self, log: str, how: str) -> None:
        self.key = None if how == "bare" else OTHER_KEY
        self.called = key_id(KEY if how == "posing" else OTHER_KEY)
        self.log, self.seq, self.prev = log, 0, "0" * 64
        self.first, self.events = 1, 0

    def line(self, fields: dict[str, object], *, previous: int) -> bytes:
        self.seq += 1
        del fields["hash"]
        fields |= {"seq": self.seq, "prev": self.prev}
        if fields.get("record") == "segment":
            fields |= {"previous_size": previous, "seal": "sha256"}
            fields.pop("key_id", None)
            if self.key is not None:
                fields |= {"seal": "hmac-sha256", "key_id": self.called}
        elif fields.get("record") == "commit":
            fields |= {"first": self.first, "events": self.events}
            self.first, self.events = self.seq + 1, 0
        elif "record" not in fields:
            self.events += 1
        before = json.dumps(fields, separators=(",", ":")).encode()[:-1]
        self.prev = digest(self.log, before, self.key)
        return before + b',"hash":"' + self.prev.encode() + b'"}\n'

    def head(self, number: int) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            book = Book(Path(folder), key=OTHER_KEY, log=self.log)
            book.number, book.seq, book.prev = number, self.seq, self.prev
            book.head()
            return book.head_path.read_bytes()


KINDS: dict[str, Callable[[Trail], Iterator[Changes]]] = {
    "flips": flips,
    "moves": moves,
    "cuts": cuts,
    "splices": splices,
    "rewrites": rewrites,
}


def pieces() -> list[str]:
    """Every kind of tampering with every kind of trail, the long ones in eight parts."""
    parts = [f"{trail} {kind} {part}/8" for trail in TRAILS for kind in KINDS for part in range(8)]
    return [*parts, "sealed limits 0/1"]


def sample(seed: int) -> list[str]:
    """One part of each kind, of some trail."""
    chosen = random.Random(seed)
    trails = list(TRAILS)
    parts = [f"{chosen.choice(trails)} {kind} {chosen.randrange(8)}/8" for kind in KINDS]
    return [*parts, "sealed limits 0/1"]


def run(piece: str) -> dict[str, int]:
    """Try every n-th way.

    Raises:
        AssertionError: if one passes, or is taken for torn, that must not.
    """
    kind, way, part = piece.split()
    first, parts = map(int, part.split("/"))
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        trail = Trail(kind, Path(folder))
        if way == "limits":
            return _run_limits(trail)
        for changes in itertools.islice(KINDS[way](trail), first, None, parts):
            if all(trail.files.get(name) == content for name, content in changes.items()):
                continue  # two lines that are the same
            said = trail.passes(changes)
            if said == "found":
                counts[f"{way} found"] += 1
            elif kind == "bare" and said == "torn":
                counts[f"{way} found torn"] += 1
            else:
                assert kind == "bare", f"{piece}: {said} with {changes}"
                assert _is_known_limit(trail, way, changes), f"{piece}: {changes} passes"
                counts["known limit"] += 1
    return dict(counts)


def _run_limits(trail: Trail) -> dict[str, int]:
    """Each passes, as the documentation says, and is found with a checkpoint."""
    counts: Counter[str] = Counter()
    for changes in limits(trail):
        assert trail.passes(changes) == "whole", changes
        assert trail.passes(changes, held=True) == "found", changes
        counts["known limit"] += 1
        counts["limits found by a checkpoint"] += 1
    return dict(counts)


def _is_known_limit(trail: Trail, way: str, changes: Changes) -> bool:
    """Whether it is one of what a bare chain cannot show."""
    ((name, content), *rest) = changes.items()
    if way == "rewrites":
        return True
    if rest or content is None:  # whole files: then all of the newest ones of a slot
        return set(changes) in ({NAMES[1]}, {NAMES[2]}, set(NAMES[:2]))
    if way == "splices" and name == NAMES[2] and content == written(None, log="9")[name]:
        return True  # a slot that was written anew
    return name != NAMES[0] and _is_cut(trail.files[name], content)


def _is_cut(whole: bytes, content: bytes) -> bool:
    """Whether it ends with a batch, or before the first, and lacks nothing before."""
    return whole.startswith(content) and len(content) in (0, *_batches(whole))
