"""A scan: how far a segment can be trusted, asked by the writer that is about to go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from busway_audit._format.batch import NOTHING_YET, Tip
from busway_audit._format.chain import VERSION, BrokenLine, Seal, key_id, split_line

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Fields", "Scan"]


class Fields(msgspec.Struct):
    """What the writer looks at in a line."""

    seq: int
    recorded_at: str
    record: str = ""
    first: int = 0
    version: int = 0
    log: str = ""
    key_id: str = ""
    kept: str = ""


_decoder: Final = msgspec.json.Decoder(Fields)


class Scan:
    """What a segment holds: whole batches, and what stands beyond them.

    Args:
        lines: all of it.
        key: the key of this writer, if it has one.

    Attributes:
        header: its first line, if that is whole.
        size: its bytes.
        whole: the end of the last whole batch.
        begun: where that batch begins.
        tip: the last line of that batch.
        kept: the files of which whole batches say that something cut off is kept there.
        full: whether that batch says that the segment is full.
        damaged: whether there is a fault that no crash makes. Either a batch beyond it was begun
            later, and each is durable before the next is written. Or it is a line that is whole in
            form, but not what was hashed, or not in its place: a crash leaves holes.
        followed: the end of the last line that is whole by itself; its tip is `last`. A line that
            was sealed by another key than this writer's is taken at its word.
        version: that of the format, as a header that holds tells it; 0 if none does. A header is
            hashed as in version 1 in every version, so a changed one is no later one.
    """

    def __init__(self, lines: Iterable[bytes], key: bytes | None) -> None:
        self.header: Fields | None = None
        self.size = self.whole = self.begun = self.followed = self.version = 0
        self.tip = self.last = NOTHING_YET
        self.full = self.damaged = False
        self.kept: set[str] = set()
        self._key = key
        self._seal: Seal | None = None
        self._faulty = False
        self._first: int | None = None  # the seq at which the batch under way began
        self._record = ""  # the kind of the line before
        self._told: set[str] = set()  # of the batch under way, as `kept`
        for line in lines:
            self.size += len(line)
            self._take(line)

    def _take(self, line: bytes) -> None:
        found = self._read(line)
        if found is None:
            self._faulty = True
            return
        fields, prev, digest = found
        if not self._faulty and not self._follows(fields, prev):
            self._faulty = self.damaged = True
        self.last, self.followed = Tip(fields.seq, digest), self.size
        if self._faulty:
            self._look_beyond(fields)
        else:
            self._go_on(fields)

    def _read(self, line: bytes) -> tuple[Fields, str, str] | None:
        """A line that is whole by itself."""
        try:
            before, prev, digest = split_line(line)
            fields = _decoder.decode(line)
        except (BrokenLine, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if self.size == len(line):
            self._meet(fields)
        if self._seal is not None and self._seal.hash(before) != digest:
            self.damaged = True
            return None
        if self.size == len(line):
            self.version = fields.version
        return fields, prev, digest

    def _meet(self, fields: Fields) -> None:
        """Learn from the header how the lines are sealed."""
        if fields.record != "segment":
            return
        key = self._key if fields.key_id else None
        if fields.key_id == ("" if key is None else key_id(key)):
            self._seal = Seal(fields.log, key)

    def _follows(self, fields: Fields, prev: str) -> bool:
        if self.header is None:
            return fields.record == "segment" and fields.version == VERSION
        return (fields.seq, prev) == (self.last.seq + 1, self.last.hash)

    def _go_on(self, fields: Fields) -> None:
        if self.header is None:
            self.header = fields
        if self._first is None:
            self._first = fields.seq
        if fields.record != "commit":
            self._record = fields.record
            if fields.record == "recovered":
                self._told.add(fields.kept)
            return
        if fields.first != self._first:
            self.damaged = self._faulty = True
            return
        self.begun, self.whole, self.tip = self.whole, self.size, self.last
        self.full = self._record == "rotated"
        self.kept |= self._told
        self._first = None

    def _look_beyond(self, fields: Fields) -> None:
        if fields.record != "commit":
            return
        expected = self._first or self.tip.seq + 1
        if self.header is None:  # nobody knows where it began: by its first commit, then
            self._first = expected = self._first or fields.first
        self.damaged = self.damaged or fields.first != expected
