"""What is remembered of each key, and how much of it: the bound on memory."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    from busway.events import Event

__all__ = ["Cooldown", "Counts", "Passage", "RecentKeys", "digest_of", "idempotency_key", "time_of"]


class Counts:
    """Counters by name, for any thread."""

    def __init__(self, *names: str) -> None:
        self._counts = Counter(dict.fromkeys(names, 0))
        self._lock = Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Count one more, or several."""
        with self._lock:
            self._counts[name] += count

    def read(self) -> Mapping[str, int]:
        """All counts of this moment: a copy."""
        with self._lock:
            return self._counts.copy()


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave to send one alert, and what is needed to take it back.

    Attributes:
        at: the event time it was given for.
        before: the event time of the alert before it.
        untold: how many alerts were not sent since that one.
    """

    at: datetime
    before: datetime | None
    untold: int


class Cooldown:
    """One key's alerts: when the last was sent, and how many since were not.

    It is no more thread-safe than its two fields: hold the lock of the `RecentKeys` it is in.
    """

    __slots__ = ("_last", "_untold")

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._untold = 0

    def admit(self, at: datetime, period: timedelta) -> Passage | None:
        """Leave to send an alert, or None, which is counted, less than `period` from the last.

        The distance counts in both directions: after an event with a clock far in the future, an
        alert in the present is neither late nor early, it is another one.
        """
        if self._last is not None and abs(at - self._last) < period:
            self._untold += 1
            return None
        passage = Passage(at, self._last, self._untold)
        self._last, self._untold = at, 0
        return passage

    @property
    def state(self) -> list[object]:
        """What JSON can keep of it."""
        return [None if self._last is None else self._last.isoformat(), self._untold]

    def restore(self, state: Sequence[object]) -> None:
        """Take up what `state` gave.

        Raises:
            Exception: if it is something else.
        """
        last, untold = state
        if not (last is None or isinstance(last, str)) or not isinstance(untold, int):
            raise TypeError
        self._last = None if last is None else time_of(last)
        self._untold = untold

    def take_back(self, passage: Passage) -> None:
        """Undo `admit`: its alert reached nobody. The next alert tells of it, too."""
        self._untold += passage.untold + 1
        if self._last == passage.at:  # else another alert has been sent meanwhile
            self._last = passage.before


def time_of(text: object) -> datetime:
    """A time that `isoformat` gave.

    Raises:
        Exception: if it is none, or says nothing of its zone.
    """
    at = datetime.fromisoformat(str(text))
    if at.tzinfo is None:
        raise ValueError(text)
    return at


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
