"""Findings: what is wrong with a trail, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A place at which a trail does not hold.

    Attributes:
        file: where it is.
        line: the number of the line in it, from 1; 0 if it is no line's.
        seq: the first seq concerned: that of the record that should stand there.
        reason: what is wrong; nothing of an event's content.
        torn: whether it is only the end of a batch that was cut short, and so never acknowledged,
            or that is being written just now.
    """

    file: Path
    line: int
    seq: int
    reason: str
    torn: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: seq {self.seq}: {self.reason}"
