"""What a writer holds while it has a slot: taken up with what a crash has left, and let go of."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from busway_audit._format.chain import Seal
from busway_audit._format.head import Head
from busway_audit._format.names import segment_name
from busway_audit._writing.directory import Directory
from busway_audit._writing.head_file import HeadFile
from busway_audit._writing.recovery import Recovery
from busway_audit._writing.segment import Segment
from busway_audit._writing.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from busway_audit._writing.recovery import End

__all__ = ["Hold", "take_hold"]

_ALARMING = ("damaged", "cut", "head lost")


@dataclass
class Hold:
    """A slot, and its chain.

    Attributes:
        directory: where it is.
        slot: which it is.
        end: the end of the chain, kept up to date.
        seal: how its lines are sealed.
        head: the file that tells its end, if there is a key.
        segment: what is being appended to, if it can be.
        notes: records of the trail's own that are yet to be written, in front of the next batch.
    """

    directory: Directory
    slot: Slot
    end: End
    seal: Seal
    head: HeadFile | None
    segment: Segment | None = None
    notes: list[tuple[str, dict[str, int | str]]] = field(default_factory=list)

    @property
    def newest(self) -> str:
        """The name of the newest segment."""
        return segment_name(self.slot.number, self.end.number)

    def tell_end(self) -> None:
        """Write the end of the chain, which is durable, to the head file.

        Raises:
            OSError: if the disk refused.
        """
        if self.head is not None:
            self.head.write(Head(self.end.log, self.end.number, *self.end.tip))

    def leave_segment(self, because: str) -> None:
        """Append no more to it; the next batch begins another."""
        if self.segment is not None:
            self.segment.close()
        self.segment = None
        self.end.because = because

    def release(self) -> None:
        """Let go of all of it."""
        for held in (self.segment, self.head):
            if held is not None:
                held.close()
        self.slot.release()
        self.directory.close()


def take_hold(path: Path, key: bytes | None, tell: Callable[[str], object]) -> Hold:
    """Take the lowest free slot of a directory, and recover what a crash has left there.

    Args:
        path: the directory.
        key: what seals the lines, if they are sealed.
        tell: called with what an operator should know of.

    Raises:
        OSError: if the directory is refused, or the disk refuses.
    """
    directory = Directory(path)
    try:
        slot = Slot(directory)
    except BaseException:
        directory.close()
        raise
    try:
        return _take_up(directory, slot, key, tell)
    except BaseException:
        slot.release()
        directory.close()
        raise


def _take_up(
    directory: Directory, slot: Slot, key: bytes | None, tell: Callable[[str], object]
) -> Hold:
    end = Recovery(directory, slot.number, key).run()
    head = None if key is None else HeadFile(directory, slot.number, key)
    hold = Hold(directory, slot, end, Seal(end.log, key), head)
    try:
        if end.because in _ALARMING:
            tell(f"{directory.path / hold.newest}: {end.because}; see `busway audit verify`")
        else:
            hold.tell_end()  # not before: what shows that something is missing must not be lost
        if end.number and not end.because:
            hold.segment = Segment.resume(directory, hold.newest, end.size)
    except BaseException:
        if head is not None:
            head.close()
        raise
    for cut in end.cuts:
        tell(f"a crash had torn the last batch: its {cut['cut']} bytes are kept in {cut['kept']}")
        hold.notes.append(("recovered", cut))
    hold.notes.append(("started", {"pid": os.getpid(), "host": socket.gethostname()}))
    return hold
