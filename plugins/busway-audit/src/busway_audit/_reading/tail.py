"""The tail: the last events of a trail, and what follows them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from busway_audit._reading.follow import Follow
from busway_audit._reading.trail import slots_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from busway_audit._reading.events import Wanted
    from busway_audit._reading.trail import SegmentFile
    from busway_audit._reading.walk import Entry
    from busway_audit.findings import Finding

__all__ = ["tail"]


def tail(
    directory: Path,
    wanted: Wanted,
    count: int | None,
    keys: Mapping[str, bytes],
    report: Callable[[Finding], object],
) -> tuple[Iterator[Entry], Follow]:
    """The last events, and what follows once these have been taken to the end.

    Args:
        directory: the trail's.
        wanted: which events.
        count: how many at most; None for all. If their time is given, it begins with the last
            segment that was begun before it; otherwise it goes back from the newest ones until
            there are enough.
        keys: by their ids; without them, a sealed trail is read unchecked.
        report: called with each finding.

    Raises:
        OSError: if the directory cannot be read.
    """
    slots = slots_of(directory)
    since = {slot: _first_since(segments, wanted.since) for slot, segments in slots.items()}
    if count is None:
        follow = Follow(directory, since, keys, report)
        return filter(wanted, follow.poll()), follow
    once = _Once(report)
    longest = max(map(len, slots.values()), default=0)
    back = 1
    while True:
        begin = {slot: max(since[slot], _back(slots[slot], back)) for slot in slots}
        follow = Follow(directory, begin, keys, once)
        last = deque(filter(wanted, follow.poll()), maxlen=count)
        if len(last) == count or back >= longest:
            return iter(last), follow
        back *= 2


class _Once:
    """Tells each finding once, however often the same segment is read."""

    def __init__(self, report: Callable[[Finding], object]) -> None:
        self._report = report
        self._told: set[Finding] = set()

    def __call__(self, finding: Finding) -> None:
        if finding not in self._told:
            self._told.add(finding)
            self._report(finding)


def _first_since(segments: list[SegmentFile], since: datetime | None) -> int:
    """The number of the last segment that was begun before a time; else of the first."""
    if since is not None:
        for before, segment in zip(segments[-2::-1], segments[:0:-1], strict=True):
            if before.next is not None and before.next.recorded_at <= since:
                return segment.number
    return segments[0].number


def _back(segments: list[SegmentFile], count: int) -> int:
    return segments[max(len(segments) - count, 0)].number
