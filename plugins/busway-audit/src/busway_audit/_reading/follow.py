"""Following: what is added to a trail, through rotation and new slots, as it is committed."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Final

from busway_audit._reading.events import merged
from busway_audit._reading.reader import Reader
from busway_audit._reading.trail import lines_of, slots_of
from busway_audit._reading.walk import Entry
from busway_audit.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from busway_audit._reading.trail import SegmentFile

__all__ = ["Follow"]

_MOST: Final = 100_000
"""Findings of one batch that are kept: more would fill the memory."""


class Follow:
    """Reads on in a trail each time it is asked.

    Args:
        directory: the trail's.
        since: with which segment to begin, by slot; a slot that is not named is new.
        keys: by their ids; without them, a sealed trail is read unchecked.
        report: called with each finding.
    """

    def __init__(
        self,
        directory: Path,
        since: Mapping[int, int],
        keys: Mapping[str, bytes],
        report: Callable[[Finding], object],
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._report = report
        self._slots = {slot: self._slot(number) for slot, number in since.items()}

    def poll(self) -> Iterator[Entry]:
        """The events that have been committed since the last time, to be taken to the end.

        Raises:
            OSError: if a segment cannot be read.
        """
        since = {slot: one.number for slot, one in self._slots.items()}
        found = slots_of(self._directory, since)
        for slot in found.keys() - self._slots.keys():
            self._slots[slot] = self._slot(0)
        return merged(self._slots[slot].read(segments) for slot, segments in found.items())

    def _slot(self, number: int) -> _Slot:
        return _Slot(number, self._keys, self._report)


class _Slot:
    """Where one slot has been read to: the end of a commit.

    What follows is looked at anew each time, since the writer may cut it off again.
    """

    def __init__(
        self, number: int, keys: Mapping[str, bytes], report: Callable[[Finding], object]
    ) -> None:
        self.number = number
        self._offset = self._shown = 0
        self._keys = keys
        self._report = report
        self._reader = Reader(keys, anywhere=True)

    def read(self, segments: list[SegmentFile]) -> Iterator[Entry]:
        """The events that were committed since; of the segments from this one on."""
        for segment in segments:
            if segment.number != self.number:
                self.number, self._offset = segment.number, 0
            if self._offset > segment.end:
                self._fall_back(segment)
            if not self._offset:
                self._reader.begin(segment)
            yield from self._through(segment, self._report)

    def _through(
        self, segment: SegmentFile, report: Callable[[Finding], object]
    ) -> Iterator[Entry]:
        reader = copy(self._reader)
        offset = self._offset
        held: list[Entry] = []
        findings: list[Finding] = []
        for line in lines_of(segment, offset):
            if segment.next is None and not line.endswith(b"\n"):
                return  # it is being written
            due = reader.seq + 1
            record, reason = reader.read(line)
            offset += len(line)
            if reason and len(findings) < _MOST:
                findings.append(Finding(segment.path, 0, due, reason))
            kind = "" if record is None else record.record
            if record is not None and not kind:
                held.append(Entry(segment.slot, line, record))
            elif kind == "commit" or reader.objection:
                self._reader, self._offset = copy(reader), offset
                for finding in findings:
                    report(finding)
                findings.clear()
                yield from (entry for entry in held if entry.record.seq > self._shown)
                held.clear()
        if segment.next is not None:
            for finding in findings:
                report(finding)

    def _fall_back(self, segment: SegmentFile) -> None:
        """What was shown was cut off.

        If there is a next segment, the writer did it, since a sync had failed: it stands there
        once more. Otherwise nobody knows: whatever is written from now on is shown.
        """
        due, self._shown = self._reader.seq + 1, self._reader.seq
        self._reader = Reader(self._keys, anywhere=True)
        if segment.next is None:
            self._report(Finding(segment.path, 0, due, "what stood before it was cut off"))
            self._offset = self._shown = 0
            self._reader.begin(segment)
            for _ in self._through(segment, lambda _: None):
                pass
