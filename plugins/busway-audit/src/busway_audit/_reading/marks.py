"""Marks: records that must be in a trail, because a head or a checkpoint names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from busway_audit._format.chain import split_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Mark", "Marks"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A record that must be there.

    Attributes:
        log: the id of its log.
        seq: its seq.
        hash: its hash.
        by: who says so.
    """

    log: str
    seq: int
    hash: str
    by: str


class Marks:
    """Those that have not been come to yet."""

    def __init__(self) -> None:
        self._due: dict[str, dict[int, list[Mark]]] = {}

    def expect(self, mark: Mark) -> None:
        """One more; seq 0, of a chain that had not begun, is always there."""
        if mark.seq:
            self._due.setdefault(mark.log, {}).setdefault(mark.seq, []).append(mark)

    def meet(self, log: str, seq: int, line: bytes) -> Iterator[Mark]:
        """A record is there, in that line: those that name another in its place."""
        due = self._due.get(log)
        if due and seq in due:
            digest = split_line(line)[2]
            yield from (mark for mark in due.pop(seq) if mark.hash != digest)

    def missed(self, log: str) -> Iterator[Mark]:
        """A chain has ended: those that it should have come to."""
        for marks in self._due.pop(log, {}).values():
            yield from marks

    def left(self) -> Iterator[Mark]:
        """Those of chains that are not there at all."""
        for log in list(self._due):
            yield from self.missed(log)
