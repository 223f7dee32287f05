"""The events of a trail: those of all slots, in order, as far as their batches were finished."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from busway_audit._reading.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from busway_audit._reading.trail import SegmentFile
    from busway_audit._reading.walk import Entry
    from busway_audit.findings import Finding

__all__ = ["Wanted", "committed", "events_of", "merged"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are wanted.

    Attributes:
        types: of which types, as patterns with `*`; of all, if there are none.
        since: recorded at that time or later; at any, if it is None.
    """

    types: tuple[str, ...] = ()
    since: datetime | None = None

    def __call__(self, entry: Entry) -> bool:
        """Whether it is one of them."""
        record = entry.record
        if self.since is not None and record.recorded_at < self.since:
            return False
        return not self.types or any(fnmatchcase(record.type, one) for one in self.types)


def events_of(
    slots: Mapping[int, list[SegmentFile]],
    keys: Mapping[str, bytes],
    report: Callable[[Finding], object],
) -> Iterator[Entry]:
    """All events of a trail, in the order in which they were recorded.

    Args:
        slots: its segments.
        keys: by their ids; without them, a sealed trail is read unchecked.
        report: called with each finding.

    Raises:
        OSError: if a segment cannot be read.
        TrailError: if it was written by a later version.
    """
    return merged(
        committed(
            Walk(each, keys, report, anywhere=each[0].alone, unsealed=True).entries(),
        )
        for each in slots.values()
    )


def merged(slots: Iterable[Iterator[Entry]]) -> Iterator[Entry]:
    """Those of several slots by the time they were recorded at.

    Ordering: each slot's own order stays as it is, whatever the clock did.
    """
    return heapq.merge(*slots, key=lambda entry: entry.record.recorded_at)


def committed(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The events of batches that were finished."""
    batch: list[Entry] = []
    for entry in entries:
        kind = entry.record.record
        if not kind:
            batch.append(entry)
        elif kind in ("commit", "segment"):
            if kind == "commit":
                yield from batch
            batch.clear()
