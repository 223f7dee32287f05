"""The walk: through all segments of one slot, telling what does not hold, and where."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from busway_audit._format.chain import VERSION, BrokenLine
from busway_audit._format.record import decode_record
from busway_audit._reading.reader import Reader
from busway_audit._reading.trail import lines_of
from busway_audit.exceptions import TrailError
from busway_audit.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from busway_audit._format.record import Record
    from busway_audit._reading.trail import SegmentFile

__all__ = ["Entry", "Walk"]

_ABANDONS: Final = ("sync failed", "write failed", "damaged")
"""Why a segment is left with bytes behind its end: they were not acknowledged, or are told of."""

_MOST: Final = 100_000
"""Findings that one batch can have: more are no work of a crash, and would fill the memory."""

_TORN: Final = "torn: the last batch was not finished; a write was cut short, or is under way"


class Entry(NamedTuple):
    """A line that holds.

    Attributes:
        slot: the slot whose it is.
        line: the line, byte for byte.
        record: what stands in it.
    """

    slot: int
    line: bytes
    record: Record


class Walk:
    """One walk.

    Args:
        segments: of one slot, in order.
        keys: by their ids.
        report: called with each finding; of a batch, when it has ended.
        anywhere: whether it may begin with any segment.
        unsealed: whether a chain that was sealed may be read without its key, unchecked.

    Attributes:
        reader: follows the chain.
        last: the segment that it has come to; None before the first.
    """

    def __init__(
        self,
        segments: Sequence[SegmentFile],
        keys: Mapping[str, bytes],
        report: Callable[[Finding], object],
        *,
        anywhere: bool = False,
        unsealed: bool = False,
    ) -> None:
        self.reader = Reader(keys, anywhere=anywhere)
        self.last: SegmentFile | None = None
        self._segments = segments
        self._report = report
        self._readable = unsealed or bool(keys)
        self._unsettled: list[tuple[Finding, bool]] = []  # and whether a crash explains it
        self._doubtful: Entry | None = None
        self._is_torn = False

    @property
    def path(self) -> Path:
        """The file that it has come to."""
        return Path() if self.last is None else self.last.path

    def entries(self) -> Iterator[Entry]:
        """All lines that hold, those of batches that were not finished among them.

        Raises:
            OSError: if a segment cannot be read.
            TrailError: if it takes a key to read it, or a later version.
        """
        segments = list(self._segments)
        begun = segments.pop() if len(segments) > 1 and _is_only_begun(segments[-1]) else None
        for segment in segments:
            self.last = segment
            yield from self._through(segment)
            self._look_behind(segment)
        yield from self._finish()
        if begun is not None and begun.size and not self._is_torn:
            self._tell_torn(begun)

    def _through(self, segment: SegmentFile) -> Iterator[Entry]:
        self.reader.begin(segment)
        for number, line in enumerate(lines_of(segment), start=1):
            due = self.reader.seq + 1
            record, reason = self.reader.read(line)
            if reason:
                torn = b"\0" in line or not line.endswith(b"\n")
                torn = torn or bool(self.reader.hash and self._unsettled)  # whole, and follows one
                self._find(Finding(segment.path, number, due, reason), torn=torn)
            if record is not None:
                if record.record == "segment":
                    self._check_readable(segment)
                yield from self._take(Entry(segment.slot, line, record))

    def _find(self, finding: Finding, *, torn: bool) -> None:
        self._unsettled.append((finding, torn))
        if len(self._unsettled) > _MOST or self.reader.objection:
            self._settle()

    def _take(self, entry: Entry) -> Iterator[Entry]:
        """Settle what is known by this line; hold back a commit whose batch may yet be torn.

        A batch is durable before the next one is written: so only the last one can be torn, and
        its commit may have reached the disk before the rest of it.
        """
        yield from self._release()
        kind = entry.record.record
        if kind == "commit" and self._unsettled and entry.record.first == self.reader.began:
            self._doubtful = entry
            return
        if kind in ("commit", "segment"):
            self._settle()
        yield entry

    def _release(self) -> Iterator[Entry]:
        """What was held back stands: something was written after it."""
        entry, self._doubtful = self._doubtful, None
        if entry is not None:
            self._settle()
            yield entry

    def _check_readable(self, segment: SegmentFile) -> None:
        sealed = self.reader.sealed
        if sealed is None:
            return
        if sealed.version != VERSION:
            raise TrailError(
                f"{segment.path} is of version {sealed.version}: it takes a later busway-audit"
            )
        if sealed.keyed and not self._readable:
            raise TrailError(f"{segment.path} is sealed: give the file of its key by --key")

    def _look_behind(self, segment: SegmentFile) -> None:
        following = segment.next
        if following is None or following.because in _ABANDONS:
            return
        behind = segment.size - segment.end
        if behind > 0:
            reason = f"{behind} bytes stand behind its end"
            self._report(Finding(segment.path, 0, self.reader.seq + 1, reason))

    def _finish(self) -> Iterator[Entry]:
        """See whether what was not settled is a batch cut short, or the work of someone.

        Of a batch blocks may be missing, or its end; and it is one batch.
        """
        reader, last = self.reader, self.last
        if last is None or (reader.seq == reader.committed[0] and not self._unsettled):
            return
        if reader.objection:  # which was told
            return
        if reader.unplaced > 1 or not all(torn for _, torn in self._unsettled):
            yield from self._release()
            self._settle()
            return
        if self._doubtful is not None:
            reader.take_back()
        self._tell_torn(last)

    def _tell_torn(self, segment: SegmentFile) -> None:
        self._is_torn = True
        self._report(Finding(segment.path, 0, self.reader.committed[0] + 1, _TORN, torn=True))

    def _settle(self) -> None:
        for finding, _ in self._unsettled:
            self._report(finding)
        self._unsettled.clear()


def _is_only_begun(segment: SegmentFile) -> bool:
    """Whether a crash has torn the batch with which a segment began, its header among it.

    Then nothing in it was ever durable, and the batch before it may be torn, too: if its sync had
    failed, this segment was to take it over.
    """
    commits = 0
    for number, line in enumerate(lines_of(segment)):
        if number == 0 and not (b"\0" in line or not line.endswith(b"\n")):
            return False
        with suppress(BrokenLine):
            commits += decode_record(line).record == "commit"
    return commits <= 1
