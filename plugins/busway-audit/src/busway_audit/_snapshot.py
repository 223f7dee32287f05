"""Snapshots: what an event holds, as it was when it was accepted, taken at little cost."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from sys import getsizeof
from types import NoneType
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from busway.events import Event

__all__ = ["Snapshot", "take_snapshot"]

_IMMUTABLE: Final = frozenset(
    {str, int, float, bool, NoneType, bytes, UUID, Decimal, date, datetime, timedelta}
)
_TEXT: Final = frozenset({str})
_MAX_CONTAINERS: Final = 90
"""More would be a payload that stands for much more than it weighs, or never ends."""

_OVERHEAD: Final = 500  # bytes that an event weighs besides its payload, or about so many


class Snapshot(NamedTuple):
    """An event that was accepted, and is yet to be written.

    Attributes:
        size: bytes in memory, or about so many.
        event: of which all but these two cannot change.
        payload: a copy, as deep as it goes.
        metadata: a copy.
        flat: whether there is no container within these two.
    """

    size: int
    event: Event
    payload: dict[str, object]
    metadata: dict[str, object]
    flat: bool


def take_snapshot(event: Event) -> Snapshot | None:
    """Copy what of an event could change; None if it holds anything but the exact builtins.

    A subclass may do anything when it is copied or written, which is for the publisher's thread
    to bear, and for its loop to guard.
    """
    payload, metadata = event.payload, event.metadata
    if type(payload) is not dict or type(metadata) is not dict:
        return None
    size = _OVERHEAD + len(event.source)
    if metadata:
        metadata = metadata.copy()
        if not _is_flat(metadata):
            return None
        size += _weigh(metadata)
    taken = payload.copy()
    if _is_flat(taken):
        return Snapshot(size + _weigh(taken), event, taken, metadata, flat=True)
    copier = _Copier()
    try:
        taken = copier.copy_mapping(taken)
    except _OddError:
        return None
    return Snapshot(size + copier.size, event, taken, metadata, flat=False)


def _is_flat(fields: dict[str, object]) -> bool:
    return _TEXT.issuperset(map(type, fields)) and _IMMUTABLE.issuperset(map(type, fields.values()))


def _weigh(fields: dict[str, object]) -> int:
    return len("".join(fields)) + sum(map(getsizeof, fields.values()))


class _OddError(Exception):
    """There is something in it that cannot be copied here."""


class _Copier:
    """Copies containers within containers, of exact builtins only.

    Attributes:
        size: what has been copied so far weighs.
    """

    def __init__(self) -> None:
        self.size = 0
        self._left = _MAX_CONTAINERS

    def copy_mapping(self, fields: dict[str, object]) -> dict[str, object]:
        if not _TEXT.issuperset(map(type, fields)):
            raise _OddError
        values = self._copy_items(list(fields.values()))
        self.size += getsizeof(fields) + len("".join(fields))
        return dict(zip(fields, values, strict=True))

    def _copy_items(self, items: list[object]) -> list[object]:
        self._left -= 1
        if self._left < 0:
            raise _OddError
        self.size += getsizeof(items)
        if not _IMMUTABLE.issuperset(map(type, items)):
            items = [self._copy(item) for item in items]
        self.size += sum(map(getsizeof, items))
        return items

    def _copy(self, value: object) -> object:
        kind = type(value)
        if kind in _IMMUTABLE:
            return value
        if kind is dict:
            return self.copy_mapping(value.copy())  # type: ignore[attr-defined]  # it is one
        if kind is list or kind is tuple:
            return self._copy_items(list(value))  # type: ignore[call-overload]  # it is one
        raise _OddError
