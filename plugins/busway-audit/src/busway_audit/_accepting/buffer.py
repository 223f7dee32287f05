"""The buffer: what was accepted and is not yet durable, in order, and bounded."""

from __future__ import annotations

from collections import OrderedDict, deque
from concurrent.futures import Future
from datetime import UTC, datetime
from itertools import accumulate, islice
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Accepted", "Buffer", "Entry", "Gap", "Waiting"]

_MAX_BATCH: Final = 1_000
_MAX_BATCH_BYTES: Final = 8 * 2**20
_OVERHEAD: Final = 150  # bytes of an entry in memory besides its line, or about so many
_encoder = msgspec.json.Encoder()


class Accepted(msgspec.Struct, gc=False):
    """An event that was accepted, and is yet to be written.

    The collector need not look at it: nothing leads back to it.

    Attributes:
        fields: as a record, without its braces.
        is_report: whether it is the trail's own report of a failure, or was published because of
            one.
    """

    fields: bytes
    is_report: bool

    @property
    def size(self) -> int:
        """Bytes in memory, or about so many."""
        return len(self.fields) + _OVERHEAD


class Gap:
    """Here events were dropped.

    Attributes:
        events: how many.
        first_at: when the first one was, in ISO 8601.
        last_at: when the last one was.
    """

    is_report = False
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


Entry: TypeAlias = Accepted | Gap


class Waiting(NamedTuple):
    """An event for which there was no room.

    Attributes:
        entry: the event.
        urgent: whether it is to be written at once, when it is in.
        let_in: done when it is.
    """

    entry: Accepted
    urgent: bool
    let_in: Future[None]


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
        self._waiting: OrderedDict[Future[None], Waiting] = OrderedDict()
        self._taken = 0
        self._is_dropping = False

    def __len__(self) -> int:
        return len(self._entries)

    def offer(self, entry: Accepted) -> int:
        """Put an event in, and tell how many entries are there then; 0 if there is no room."""
        count = len(self._entries)
        if self._waiting or count >= self._max_events or self.size >= self._max_bytes:
            return 0  # as `_is_full`, in one call less; so is what follows
        self._entries.append(entry)
        self.size += entry.size
        self.added += 1
        self.accepted += 1
        return count + 1

    def wait(self, entry: Accepted, *, urgent: bool) -> Future[None]:
        """Let an event wait for room, behind those that do already; done when it is in."""
        let_in: Future[None] = Future()
        self._waiting[let_in] = Waiting(entry, urgent, let_in)
        return let_in

    def give_up(self, let_in: Future[None]) -> None:
        """Let an event wait no more; if it is in already, it stays in."""
        self._waiting.pop(let_in, None)

    def let_in(self) -> list[Waiting]:
        """Put those in that wait, in their order, as far as there is room."""
        put: list[Waiting] = []
        while self._waiting and not self._is_full:
            _, waiting = self._waiting.popitem(last=False)
            self._put(waiting.entry)
            put.append(waiting)
        return put

    def refuse(self) -> list[Future[None]]:
        """Let nobody wait any more; what those who did wait for."""
        refused = list(self._waiting)
        self._waiting.clear()
        return refused

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for room."""
        return bool(self._waiting)

    def drop(self) -> bool:
        """Count an event as dropped; whether it is the first since it was half empty."""
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
    def pending(self) -> int:
        """The events in it."""
        return self.accepted - self.durable

    def take(self) -> Sequence[Entry]:
        """The first entries: as many as make a batch. They stay in it."""
        taken = list(islice(self._entries, _MAX_BATCH))
        if self.size > _MAX_BATCH_BYTES:
            sizes = accumulate(entry.size for entry in taken)
            del taken[1 + sum(size < _MAX_BATCH_BYTES for size in sizes) :]
        self._taken = len(taken)
        return taken

    def give_back(self) -> None:
        """What was taken could not be written."""
        self._taken = 0

    def remove(self, taken: Sequence[Entry]) -> None:
        """What was taken is durable."""
        for _ in taken:
            self._entries.popleft()
        self.size -= sum([entry.size for entry in taken])
        self.durable += len(taken) - sum([isinstance(entry, Gap) for entry in taken])
        self.removed += len(taken)
        self._taken = 0
        self._is_dropping = self._is_dropping and not self._is_half_empty

    def _put(self, entry: Accepted) -> None:
        self._entries.append(entry)
        self.size += entry.size
        self.added += 1
        self.accepted += 1

    @property
    def _is_full(self) -> bool:
        return len(self._entries) >= self._max_events or self.size >= self._max_bytes

    @property
    def _is_half_empty(self) -> bool:
        return len(self._entries) <= self._max_events // 2 and self.size <= self._max_bytes // 2
