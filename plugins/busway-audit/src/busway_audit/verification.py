"""Verification: is a trail whole, and as it was written?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from busway_audit._format.chain import key_id
from busway_audit._format.names import head_name
from busway_audit._reading.heads import heads_of
from busway_audit._reading.marks import Mark, Marks
from busway_audit._reading.trail import single, slots_of
from busway_audit._reading.walk import Walk
from busway_audit.checkpoint import ChainHead
from busway_audit.exceptions import TrailError
from busway_audit.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from busway_audit._format.head import Head
    from busway_audit._format.record import Record
    from busway_audit._reading.trail import SegmentFile
    from busway_audit.checkpoint import Checkpoint

__all__ = ["Verification", "verify"]

_STEP: Final = 1_000  # lines between two reports of progress


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        events: events that hold, in batches that were finished.
        files: segments that were read.
        tampered: how many findings there are that no crash explains.
        torn: how many chains end in a batch that was not finished.
        recovered: how many torn batches were cut off, by the writer, after a crash.
        dropped: how many events were not taken, because the disk was slower than they came.
        first: the first finding that no crash explains, or else the first; None if there is none.
        heads: where the chains end.
    """

    events: int
    files: int
    tampered: int
    torn: int
    recovered: int
    dropped: int
    first: Finding | None
    heads: tuple[ChainHead, ...]

    @property
    def whole(self) -> bool:
        """Whether there is nothing to find."""
        return not (self.tampered or self.torn)


def verify(
    path: Path,
    report: Callable[[Finding], object],
    *,
    keys: Iterable[bytes] = (),
    against: Iterable[Checkpoint] = (),
    progress: Callable[[int, int], object] | None = None,
) -> Verification:
    """Follow all chains of a trail, or one segment.

    It reads a line at a time, also while the trail is being written to: then a batch that is only
    half there is reported as torn.

    Args:
        path: the trail's directory; or a file of it, which is taken by itself: that it begins and
            ends where it should is not seen.
        report: called with each finding.
        keys: those that sealed it. If there are any, whatever they did not seal is reported.
        against: checkpoints that it must contain, if it is a directory.
        progress: called now and then with the bytes read and those there are.

    Returns:
        The counts, and where the chains end.

    Raises:
        OSError: if something cannot be read.
        TrailError: if there is no trail, it is sealed and there are no keys, it was written by a
            later version, or a file is held against checkpoints.
    """
    verifying = _Verifying(keys, report, progress)
    for checkpoint in against:
        verifying.hold_against(checkpoint)
    if path.is_dir():
        verifying.take_directory(path)
    else:
        verifying.take_file(path)
    return verifying.result()


class _Verifying:
    """One verification under way."""

    def __init__(
        self,
        keys: Iterable[bytes],
        report: Callable[[Finding], object],
        progress: Callable[[int, int], object] | None,
    ) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._report = report
        self._progress = progress
        self._marks = Marks()
        self._findings: dict[bool, int] = {False: 0, True: 0}  # by whether it is torn
        self._first: dict[bool, Finding] = {}
        self._heads: list[ChainHead] = []
        self._events = self._recovered = self._dropped = 0
        self._files = self._read = self._size = 0

    def hold_against(self, checkpoint: Checkpoint) -> None:
        by = f"the checkpoint of {checkpoint.made_at.isoformat(timespec='seconds')}"
        for head in checkpoint.heads:
            self._marks.expect(Mark(head.log, head.seq, head.hash, by))

    def take_directory(self, path: Path) -> None:
        # While a trail is written to, it gets ahead of its heads, and a slot has one from the
        # beginning; so they are looked for after the slots, and before how long these are.
        known = slots_of(path)
        heads = heads_of(path, self._keys.values()) if self._keys else {}
        slots = {k: one for k, one in slots_of(path).items() if k in known or k in heads}
        if not slots and all(head is not None and not head.seq for head in heads.values()):
            raise TrailError(f"{path} holds no audit trail")
        self._size = sum(segment.end for segments in slots.values() for segment in segments)
        for slot in sorted({*slots, *heads}):
            head = heads.get(slot)
            if head is not None:
                self._marks.expect(Mark(head.log, head.seq, head.hash, head_name(slot)))
            walk = self._follow(slots.get(slot, []))
            if self._keys:
                self._judge_seal(walk, path / head_name(slot), head, there=slot in heads)
        for mark in self._marks.left():
            self._tell(Finding(path, 0, mark.seq, f"the log that {mark.by} names is not there"))

    def take_file(self, path: Path) -> None:
        segment = single(path)
        if any(self._marks.left()):
            raise TrailError(f"{path} is a file: a checkpoint is held against all of a trail")
        self._size = segment.size
        self._follow([segment], anywhere=segment.number > 1)

    def result(self) -> Verification:
        return Verification(
            events=self._events,
            files=self._files,
            tampered=self._findings[False],
            torn=self._findings[True],
            recovered=self._recovered,
            dropped=self._dropped,
            first=self._first.get(False) or self._first.get(True),
            heads=tuple(self._heads),
        )

    def _follow(self, segments: list[SegmentFile], *, anywhere: bool = False) -> Walk:
        walk = Walk(segments, self._keys, self._tell, anywhere=anywhere)
        reader = walk.reader
        for lines, entry in enumerate(walk.entries(), start=1):
            self._read += len(entry.line)
            if lines % _STEP == 0 and self._progress is not None:
                self._progress(self._read, self._size)
            if entry.record.record in ("recovered", "gap"):
                self._note(entry.record)
            for mark in self._marks.meet(reader.log, entry.record.seq, entry.line):
                self._tell(Finding(walk.path, 0, mark.seq, f"{mark.by} names another record"))
        self._files += len(segments)
        self._events += reader.events
        self._end(walk)
        return walk

    def _note(self, record: Record) -> None:
        if record.record == "gap":
            self._dropped += record.events
        else:
            self._recovered += 1

    def _end(self, walk: Walk) -> None:
        """See whether the chain has come as far as it should have."""
        reader = walk.reader
        seq, digest = reader.committed
        for mark in self._marks.missed(reader.log):
            reason = f"{mark.by} names seq {mark.seq}, which is not there"
            self._tell(Finding(walk.path, 0, min(mark.seq, seq + 1), reason))
        if reader.log and walk.last is not None:
            head = ChainHead(walk.last.slot, reader.log, walk.last.number, seq, digest)
            self._heads.append(head)

    def _judge_seal(self, walk: Walk, file: Path, head: Head | None, *, there: bool) -> None:
        """See that the chain is sealed by a key, and that its head is its own."""
        sealed, due = walk.reader.sealed, walk.reader.committed[0] + 1
        if there and head is None:
            self._tell(Finding(file, 0, due, "none of the keys given has signed it"))
        elif not there and (sealed is None or sealed.keyed):  # it is made before all else
            self._tell(Finding(file, 0, due, "it is missing; a sealed chain has one"))
        elif sealed is not None and head is not None and head.log not in ("", sealed.log):
            self._tell(Finding(file, 0, due, "it is the head of another log"))
        if sealed is not None and not sealed.keyed and not sealed.objection:
            self._tell(Finding(walk.path, 0, 1, "it is not sealed by a key"))

    def _tell(self, finding: Finding) -> None:
        self._findings[finding.torn] += 1
        self._first.setdefault(finding.torn, finding)
        self._report(finding)
