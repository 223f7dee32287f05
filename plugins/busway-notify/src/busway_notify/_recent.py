"""What is remembered of each key, and how much of it: the bound on memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from busway_notify._cooldown import Cooldown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    from busway.events import Event
    from busway_notify._cooldown import Passage

__all__ = ["RecentKeys", "digest_of", "idempotency_key"]

T = TypeVar("T", bound=Cooldown)


class RecentKeys(Generic[T]):
    """The state of the keys last seen: at most `max_keys`, the least recently seen given up.

    A key is kept as a digest of 16 bytes, so that its length costs no memory.

    Attributes:
        lock: to be held while an entry is looked up and changed.
        added: how many keys came that were not known.
        evicted: how many keys were given up.
    """

    def __init__(self, new: Callable[[], T], max_keys: int) -> None:
        self.lock: Lock = Lock()
        self.added: int = 0
        self.evicted: int = 0
        self._new = new
        self._max_keys = max_keys
        self._entries: OrderedDict[bytes, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, digest: bytes) -> T:
        """What is known of a key, which becomes the one most recently seen."""
        known = self._entries.get(digest)
        if known is not None:
            self._entries.move_to_end(digest)
            return known
        if len(self._entries) >= self._max_keys:
            self._entries.popitem(last=False)
            self.evicted += 1
        self.added += 1
        return self._entries.setdefault(digest, self._new())

    def peek(self, digest: bytes) -> T | None:
        """What is known of a key, if anything is; it becomes no more recent by that."""
        return self._entries.get(digest)

    def state(self) -> list[list[object]]:
        """What JSON can keep of all keys, from the least recently seen to the most."""
        with self.lock:
            return [[digest.hex(), *entry.state] for digest, entry in self._entries.items()]

    def restore(self, state: Iterable[Sequence[object]]) -> Callable[[], None]:
        """Read what `state` gave.

        Returns:
            What is to be called to take it up.

        Raises:
            Exception: if it is something else.
        """
        entries = OrderedDict[bytes, T]()
        for digest, *rest in state:
            entry = self._new()
            entry.restore(rest)
            entries[bytes.fromhex(str(digest))] = entry
        return partial(self._take_up, entries)

    def _take_up(self, entries: Mapping[bytes, T]) -> None:
        with self.lock:
            for digest, entry in entries.items():
                self.entry(digest)
                self._entries[digest] = entry

    def take_back(self, entry: T, passage: Passage) -> None:
        """Undo the alert that `passage` was given for."""
        with self.lock:
            entry.take_back(passage)


def digest_of(*parts: str) -> bytes:
    """16 bytes that stand for these texts, in this order."""
    # repr() quotes: ("a", "b") and ("a', 'b",) differ, and a lone surrogate can be encoded.
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()


def idempotency_key(kind: str, event: Event, *key: str, cooldown: timedelta | None = None) -> str:
    """What says that two notifications are one: their rule, their key and their window.

    While there is a cooldown, a key has one alert at a time, so that time tells the windows apart,
    also when a log is read again, and its events get new ids. Without one, only the id does.
    """
    window = event.timestamp.isoformat() if cooldown else event.id
    return digest_of(kind, *key, window).hex()
