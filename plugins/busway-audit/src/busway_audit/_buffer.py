"""The buffer: what was accepted and is not yet durable, in order, and bounded."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from busway_audit._encoding import Encoded
from busway_audit._snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Buffer", "Entry", "Gap"]

_MAX_BATCH: Final = 1_000
_MAX_BATCH_BYTES: Final = 8 * 2**20
_encoder = msgspec.json.Encoder()


class Gap:
    """Here events were dropped.

    Attributes:
        events: how many.
        first_at: when the first one was, in ISO 8601.
        last_at: when the last one was.
    """

    size = 0

    def __init__(self) -> None:
        self.events = 0
        self.first_at = self.last_at = ""

    def count(self) -> None:
        """One more was dropped."""
        self.last_at = datetime.now(UTC).isoformat(timespec="microseconds")
        self.first_at = self.first_at or self.last_at
        self.events += 1

    @property
    def fields(self) -> bytes:
        """As a record, without its braces."""
        record = {"record": "gap", **vars(self)}
        return _encoder.encode(record)[1:-1]


Entry: TypeAlias = Snapshot | Encoded | Gap


class Buffer:
    """What was accepted and is not yet durable; `lock` guards it.

    What is being written stays in it until it is durable, so that nothing has to be put back.

    Args:
        max_events: at how many entries it is full.
        max_bytes: at how many bytes it is; so the last one may exceed it.

    Attributes:
        lock: to be held around all that is done with this.
        size: the bytes of what is in it.
        added: how many entries were ever put in.
        removed: how many of these are durable.
        accepted: how many events were ever put in.
        durable: how many of these are durable.
        dropped: how many events were not put in.
    """

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.lock = Lock()
        self.size = self.added = self.removed = self.accepted = self.durable = self.dropped = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._entries: deque[Entry] = deque()
        self._taken = 0
        self._is_dropping = False

    def __len__(self) -> int:
        return len(self._entries)

    def offer(self, entry: Snapshot | Encoded) -> int:
        """Put an event in, and tell how many entries are there then; 0 if it is full."""
        count = len(self._entries)
        if count >= self._max_events or self.size >= self._max_bytes:
            return 0
        self._entries.append(entry)
        self.size += entry.size
        self.added += 1
        self.accepted += 1
        return count + 1

    def drop(self) -> bool:
        """Count an event as dropped; whether it is the first since there was room."""
        self.dropped += 1
        last = self._entries[-1] if len(self._entries) > self._taken else None
        if not isinstance(last, Gap):
            last = Gap()
            self._entries.append(last)
            self.added += 1
        last.count()
        begins, self._is_dropping = not self._is_dropping, True
        return begins

    @property
    def has_room(self) -> bool:
        """Whether it is half empty: then those who wait for room may try again."""
        return len(self._entries) <= self._max_events // 2 and self.size <= self._max_bytes // 2

    @property
    def pending(self) -> int:
        """The events in it."""
        return self.accepted - self.durable

    def take(self) -> Sequence[Entry]:
        """The first entries: as many as make a batch. They stay in it."""
        taken: list[Entry] = []
        size = 0
        for entry in islice(self._entries, _MAX_BATCH):
            taken.append(entry)
            size += entry.size
            if size >= _MAX_BATCH_BYTES:
                break
        self._taken = len(taken)
        return taken

    def give_back(self) -> None:
        """What was taken could not be written."""
        self._taken = 0

    def remove(self, taken: Sequence[Entry]) -> None:
        """What was taken is durable."""
        for entry in taken:
            self._entries.popleft()
            self.size -= entry.size
            if not isinstance(entry, Gap):
                self.durable += 1
        self.removed += len(taken)
        self._taken = 0
        self._is_dropping = self._is_dropping and not self.has_room
