"""The reader: takes the lines of one chain, and says of each whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from busway_audit._format.chain import NO_HASH, BrokenLine, split_line
from busway_audit._format.record import decode_header, decode_record
from busway_audit._reading.seals import seal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway_audit._format.record import Record
    from busway_audit._reading.seals import Sealed
    from busway_audit._reading.trail import SegmentFile

__all__ = ["Read", "Reader"]

_SIGNS: Final = {
    "damaged": "what stood before it was found damaged when it was begun",
    "cut": "of what stood before it the end was gone when it was begun",
    "head lost": "the head file was gone, or changed, when it was begun",
}
"""Why a segment is begun, as far as no crash explains it."""


class Read(NamedTuple):
    """What a line turned out to be.

    Attributes:
        record: what stands in it; None if it does not hold.
        reason: what is wrong with it, or with its place; "" if nothing is.
    """

    record: Record | None
    reason: str = ""


class Reader:
    """Follows a chain from its beginning, and goes on behind what does not hold.

    Args:
        keys: those that may have sealed it, by their ids; without the right one, hashes are not
            compared, and only the links between the lines tell.
        anywhere: whether it may begin with any segment; otherwise the chain begins at seq 1.

    Attributes:
        seq: the last record's; of a line that does not hold, what it should have been.
        hash: the last record's; "" if it is not known.
        committed: seq and hash of the last commit.
        events: how many hold, in batches that were finished.
        sealed: how the segment that it is in is sealed; None as long as none has begun.
        broken: whether something since the last commit does not hold.
        unplaced: commits that stand in no segment, because its header does not hold.
    """

    def __init__(self, keys: Mapping[str, bytes], *, anywhere: bool = False) -> None:
        self.seq = self.events = self.unplaced = 0
        self.hash = NO_HASH
        self.committed = (self.seq, self.hash)
        self.sealed: Sealed | None = None
        self.broken = False
        self._keys = keys
        self._anywhere = anywhere
        self._begun: SegmentFile | None = None
        self._batch = 0  # events since the last commit
        self._held = 0  # the seq of the last record that holds
        self._before = (self.committed, self.events)  # the last commit

    @property
    def log(self) -> str:
        """The id of the chain's log; "" as long as it is not known."""
        return "" if self.sealed is None else self.sealed.log

    @property
    def objection(self) -> str:
        """Why no line of the segment that it is in holds; or ""."""
        return "" if self.sealed is None else self.sealed.objection

    @property
    def began(self) -> int:
        """The seq that the batch of the last commit should have begun with."""
        return self._before[0][0] + 1

    def begin(self, segment: SegmentFile) -> None:
        """A segment begins: the next line is its header."""
        self._begun = segment

    def read(self, line: bytes) -> Read:
        """Take the next line."""
        sealed = self.sealed
        try:
            before, prev, digest = split_line(line)
            record = decode_record(line)
            remark = self._enter(record, line)
            self._compare(before, digest)
        except BrokenLine as error:
            self.sealed = sealed or self.sealed  # what a false header says is no use
            return self._lose(str(error))
        if self.sealed is None or self.sealed.objection:
            self.unplaced += self.sealed is None and record.record == "commit"
            self.seq, self.hash, self.broken = record.seq, digest, True
            return Read(None, remark)
        reason = remark or self._misplaced(record, prev)
        again = record.seq <= self._held
        self.seq, self.hash = record.seq, digest
        self.broken = self.broken or bool(reason)
        self._held = record.seq
        return Read(None, reason) if again else self._count(record, reason)

    def take_back(self) -> None:
        """The last commit does not count: its batch was torn before it."""
        self.committed, self.events = self._before

    def _enter(self, record: Record, line: bytes) -> str:
        """Open a segment, if this is its first line; a remark on the segment before it, or ""."""
        segment, self._begun = self._begun, None
        if segment is None:
            if record.record == "segment":
                raise BrokenLine("it is the header of a segment, and stands within one")
            return ""
        header, log = decode_header(line), self.log
        self.sealed = seal_of(header, segment, self.sealed, self._keys)
        if self._anywhere and not self.seq:
            self.seq, self.hash = header.seq - 1, ""
            self.committed = (self.seq, "")
        self._batch = 0
        other = "it is the header of another log" if log not in ("", header.log) else ""
        return self.sealed.objection or _SIGNS.get(header.because, other)

    def _compare(self, before: bytes, digest: str) -> None:
        seal = None if self.sealed is None else self.sealed.seal
        if seal is not None and seal.hash(before) != digest:
            raise BrokenLine("its hash is not that of its content")

    def _misplaced(self, record: Record, prev: str) -> str:
        expected = self.seq + 1
        if record.seq > expected:
            return f"what was recorded from here to seq {record.seq - 1} is missing"
        if record.seq <= self._held:
            return f"seq {record.seq} stands here instead"
        if self.hash and prev != self.hash:
            return "it does not continue the record before it"
        return ""

    def _count(self, record: Record, reason: str) -> Read:
        if not record.record:
            self._batch += 1
        elif record.record == "commit":
            said = (record.first, record.events)
            if not self.broken and said != (self.committed[0] + 1, self._batch):
                reason = "it ends another batch than the one before it"
            self._before = (self.committed, self.events)
            self.events += self._batch
            self._batch, self.broken = 0, False
            self.committed = (self.seq, self.hash)
        return Read(record, reason)

    def _lose(self, reason: str) -> Read:
        """A line is lost, and with it the link to the next."""
        self._begun = None
        self.seq, self.hash, self.broken = self.seq + 1, "", True
        return Read(None, reason)
