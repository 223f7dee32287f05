"""The appender: brings batches to the disk, in the slot and the segment where they belong."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from busway_audit._format.batch import Batch
from busway_audit._format.chain import VERSION
from busway_audit._format.names import segment_name
from busway_audit._writing.hold import take_hold
from busway_audit._writing.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from busway_audit._writing.hold import Hold

__all__ = ["Appender", "Rotation"]


class Rotation(NamedTuple):
    """When a segment is full: at so many bytes, and (or not) at the end of its day, in UTC."""

    size: int
    daily: bool


class Appender:
    """Writes batches, each whole and durable, or not at all; used by one thread at a time.

    The slot is taken when there is first something to write, and again after `close`.

    Args:
        path: the directory.
        key: what the lines are sealed with, if they are.
        rotation: when a new segment is begun.
        tell: called with what an operator should know of although nothing is lost by it.

    Attributes:
        seq: of the last line that is durable.
        slot: the number of the slot, or 0.
        file: the segment that was written to last, or "".
    """

    def __init__(
        self, path: Path, key: bytes | None, rotation: Rotation, tell: Callable[[str], object]
    ) -> None:
        self.seq = self.slot = 0
        self.file = ""
        self._path = path
        self._key = key
        self._rotation = rotation
        self._tell = tell
        self._hold: Hold | None = None
        self._leftover = ""  # the name of a segment that could not be begun, nor removed

    def append(self, lines: Sequence[bytes], events: int) -> None:
        """Write a batch; when this returns, it is durable.

        Args:
            lines: JSON objects without their braces.
            events: how many of them are events.

        Raises:
            OSError: if the disk refused: nothing of the batch counts.
        """
        hold = self._hold or self._take_hold()
        if hold.segment is not None and not self._look(hold, hold.segment):
            self._hold = None  # the directory is another one, or empty: as at the start
            hold.release()
            hold = self._take_hold()
        if hold.segment is not None:
            self._rotate(hold, hold.segment)
        if lines or hold.notes:
            self._write(hold, lines, events)

    def close(self) -> None:
        """Write that it ends in good order, if anything was written, and leave the slot."""
        hold, self._hold = self._hold, None
        if hold is None:
            return
        try:
            segment = None if hold.notes else hold.segment
            if segment is not None and self._look(hold, segment):
                hold.notes.append(("stopped", {"pid": os.getpid()}))
                self._write(hold, (), 0)
        except OSError as error:
            self._tell(f"the end of the trail could not be written: {error}")
        finally:
            self._remove_leftover(hold)
            hold.release()
            self.slot = 0

    def _take_hold(self) -> Hold:
        hold = self._hold = take_hold(self._path, self._key, self._tell)
        self.slot, self.seq = hold.slot.number, hold.end.tip.seq
        return hold

    def _look(self, hold: Hold, segment: Segment) -> bool:
        """See whether someone has meddled with what is being written; whether the slot is ours."""
        segment.look()
        if not segment.broken:
            return True
        self._tell(f"{self._path / segment.name} was {segment.broken} by another")
        hold.leave_segment(segment.broken)
        return hold.slot.is_held()

    def _remove_leftover(self, hold: Hold) -> None:
        """Now or never: once the slot is left, another may write a segment of that name."""
        if self._leftover:
            with suppress(OSError):
                hold.directory.remove(self._leftover)
        self._leftover = ""

    def _rotate(self, hold: Hold, segment: Segment) -> None:
        batch = Batch(hold.end.tip, hold.seal)
        if segment.size >= self._rotation.size:
            batch.add_record("rotated", because="size")
        elif self._rotation.daily and batch.day != hold.end.day:
            batch.add_record("rotated", because="day")
        else:
            return
        if self._takes(hold, segment, batch.commit(0)):
            self._count(hold, batch, segment)
            hold.leave_segment("rotated")

    def _write(self, hold: Hold, lines: Sequence[bytes], events: int) -> None:
        segment = hold.segment
        if segment is not None:
            batch = Batch(hold.end.tip, hold.seal)
            data = _fill(batch, hold, lines, events)
            if not self._takes(hold, segment, data):
                segment = None
        if segment is None:
            batch = self._begin_segment(hold)
            segment = self._create(hold, _fill(batch, hold, lines, events))
            hold.end.number, hold.end.day = hold.end.number + 1, batch.day
            hold.end.because, hold.end.head_seq = "", None
        hold.notes.clear()
        self._count(hold, batch, segment)

    def _takes(self, hold: Hold, segment: Segment, data: bytes) -> bool:
        """Whether a segment takes a batch; if not, it cannot be written to any more."""
        try:
            segment.append(data)
        except OSError as error:
            if not segment.broken:
                raise
            self._tell(f"{error}: a new segment takes over")
            hold.leave_segment(segment.broken)
            return False
        return True

    def _begin_segment(self, hold: Hold) -> Batch:
        end = hold.end
        batch = Batch(end.tip, hold.seal)
        batch.add_record(
            "segment",
            version=VERSION,
            log=end.log,
            slot=hold.slot.number,
            segment=end.number + 1,
            seal=hold.seal.name,
            key_id=hold.seal.key_id or None,
            previous_size=end.size,
            because=end.because or None,
            head_seq=end.head_seq,
        )
        return batch

    def _create(self, hold: Hold, data: bytes) -> Segment:
        name = segment_name(hold.slot.number, hold.end.number + 1)
        if self._leftover:
            hold.directory.remove(self._leftover)
        self._leftover = name
        hold.segment = Segment.create(hold.directory, name, data)
        self._leftover = ""
        return hold.segment

    def _count(self, hold: Hold, batch: Batch, segment: Segment) -> None:
        """Take note of what is durable now."""
        hold.end.tip, hold.end.size = batch.tip, segment.size
        self.seq, self.file = batch.tip.seq, str(self._path / segment.name)
        try:
            hold.tell_end()
        except OSError as error:  # the head is behind, and so of less use; nothing is lost
            self._tell(f"the head file cannot be written: {error}")


def _fill(batch: Batch, hold: Hold, lines: Sequence[bytes], events: int) -> bytes:
    for record, fields in hold.notes:
        batch.add_record(record, **fields)
    batch.add(lines)
    return batch.commit(events)
