"""Recovery: what a writer finds in its slot, and how a batch that a crash has torn is cut off."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from errno import EPERM
from typing import TYPE_CHECKING

from busway_audit._format.batch import NOTHING_YET, Tip
from busway_audit._format.chain import VERSION, key_id
from busway_audit._format.names import parse_segment, segment_name
from busway_audit._writing.directory import explained
from busway_audit._writing.head_file import read_head
from busway_audit._writing.repair import Repair
from busway_audit._writing.scan import Scan

if TYPE_CHECKING:
    from busway_audit._writing.directory import Directory

__all__ = ["End", "Recovery"]


@dataclass
class End:
    """The end of a chain, where it is to be gone on with.

    Attributes:
        log: the id of its log, which is a new one if nothing was found.
        number: that of the newest segment, or 0.
        size: as many bytes of that count.
        tip: the last line that counts.
        day: that on which the newest segment was begun.
        because: why that is not to be appended to, or "".
        head_seq: the seq that the head file knows of, if that is not there.
        cuts: what was cut off, as records of the trail.
    """

    log: str = field(default_factory=lambda: secrets.token_hex(16))
    number: int = 0
    size: int = 0
    tip: Tip = NOTHING_YET
    day: str = ""
    because: str = ""
    head_seq: int | None = None
    cuts: list[dict[str, int | str]] = field(default_factory=list)


class Recovery:
    """Finds the end of a slot's chain, and makes sure that it is durable.

    By the time a batch is written, the one before is durable. So what a crash can tear is the last
    batch of the newest segment, and nothing else; that is cut off, and kept in a file. Anything
    else that is wrong is damage: it is left as it is, and the chain goes on in a new segment.

    Args:
        directory: where the slot is.
        slot: its number; its lock is held.
        key: what this writer seals with.
    """

    def __init__(self, directory: Directory, slot: int, key: bytes | None) -> None:
        self._directory = directory
        self._slot = slot
        self._key = key
        self._repair = Repair(directory, slot)
        self._end = End(cuts=self._repair.cuts)
        self._head = None
        if key is not None:
            with suppress(ValueError):  # if it cannot be read, it is as good as lost
                self._head = read_head(directory, slot, key)

    def run(self) -> End:
        """Do it.

        Raises:
            OSError: if the disk refused; all of it can be tried again.
        """
        numbers = self._numbers()
        while numbers:
            number = numbers[-1]
            scan = self._scan(number)
            if scan.whole or scan.damaged or (self._head and self._head.segment >= number):
                self._judge(number, scan)
                self._repair.recall((number, number + 1), scan.kept)
                break
            self._repair.set_aside(number, scan)  # nothing in it was ever durable
            numbers.pop()
        else:
            self._repair.recall((1,), ())
        self._ask_head()
        self._directory.sync()  # whoever wrote the newest may have died before doing that
        return self._end

    def _numbers(self) -> list[int]:
        named = map(parse_segment, self._directory.names())
        return sorted(name[1] for name in named if name and name[0] == self._slot)

    def _scan(self, number: int) -> Scan:
        fd = self._directory.open(segment_name(self._slot, number), os.O_RDONLY)
        with open(fd, "rb") as lines:
            scan = Scan(lines, self._key)
        if scan.version > VERSION:
            later = OSError(EPERM, "Refused: it was written by a later version of busway-audit")
            remedy = "install that, or set `path` to another directory"
            raise explained(later, remedy, self._directory.path / segment_name(self._slot, number))
        return scan

    def _judge(self, number: int, scan: Scan) -> None:
        end = self._end
        end.number, end.tip, end.size = number, scan.tip, scan.whole
        if scan.header is not None:
            end.log, end.day = scan.header.log, scan.header.recorded_at[:10]
        torn = scan.whole < scan.size
        if scan.damaged or (torn and self._head and self._head.seq > scan.tip.seq):
            end.because = "damaged"
            end.tip, end.size = scan.last, scan.followed
            if scan.header is None:
                self._ask_others(number)
            return
        if torn:
            self._repair.cut(number, scan)
        self._repair.make_durable(number, scan)
        if scan.header is not None:
            end.because = self._reason_to_leave(scan, scan.header.key_id)

    def _reason_to_leave(self, scan: Scan, sealed_by: str) -> str:
        if sealed_by != ("" if self._key is None else key_id(self._key)):
            return "key changed"
        if self._key is not None and self._head is None:
            return "head lost"
        return "rotated" if scan.full else ""

    def _ask_head(self) -> None:
        """See whether the head knows of more than was found."""
        head, end = self._head, self._end
        if head is None or head.seq == 0:
            return
        if head.seq > end.tip.seq or head.log != end.log:
            end.because = end.because if end.because == "damaged" else "cut"
            end.head_seq = head.seq

    def _ask_others(self, number: int) -> None:
        """Find the log's id in an older segment: the header of the newest cannot be read."""
        for other in reversed(self._numbers()):
            header = self._scan(other).header
            if other != number and header is not None:
                self._end.log = header.log
                return
        self._end.tip, self._end.size = NOTHING_YET, 0
