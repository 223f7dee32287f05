"""Plain values: whatever a payload may hold, as values that JSON has."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from busway_audit._forms import INT_MAX, INT_MIN, form, tagged_repr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Walk", "is_plain", "to_plain"]

MAX_DEPTH: Final = 100
"""Containers within containers; what lies deeper is marked, not written."""

MAX_VALUES: Final = 1_000_000
"""Values of one record: small objects that share their parts can stand for endless ones."""

_SCALARS: Final = frozenset(
    {str, float, bool, NoneType, bytes, bytearray, UUID, Decimal, date, timedelta}
)
_CONTAINERS: Final = frozenset({dict, list, tuple})
_encoder = msgspec.json.Encoder()


def is_plain(record: dict[str, object]) -> bool:
    """Whether msgspec can write a record as it stands, in the documented forms.

    Exact types only: what subclasses make of themselves is for `to_plain`, and so is what msgspec
    would write in another form (sets, integers beyond 64 bits, `msgspec.Raw`). At most `MAX_DEPTH`
    containers are looked at, so that neither a cycle nor a deep nest can keep it busy.
    """
    containers: list[object] = [record]
    for container in containers:
        if isinstance(container, dict):
            for key in container:
                if type(key) is not str:
                    return False
            container = container.values()  # noqa: PLW2901 - of a dict the values, from here on
        for item in container:  # type: ignore[attr-defined]  # _CONTAINERS are iterable
            kind = type(item)
            if kind in _SCALARS:
                continue
            if kind in _CONTAINERS and len(containers) < MAX_DEPTH:
                containers.append(item)
            elif not (kind is int and INT_MIN <= item <= INT_MAX) and not (
                kind is datetime and (item.tzinfo is None or item.tzinfo is UTC)
            ):
                return False
    return True


def to_plain(value: object) -> object:
    """A value as lists, str-keyed dicts and scalars that msgspec writes in their documented form.

    It raises for no value: what has no form, or fails while it is looked at, becomes its tagged
    `repr`. The README's table says what becomes of what.
    """
    return Walk().plain(value)


class Walk:
    """One value being made plain.

    Attributes:
        path: the ids of the containers around the current value.
        left: how many values may still be written.
    """

    def __init__(self) -> None:
        self.path: set[int] = set()
        self.left = MAX_VALUES

    def plain(self, value: object) -> object:
        """The plain form of one value; any failure in it costs that value alone."""
        self.left -= 1
        try:
            return form.dispatch(type(value))(value, self)
        except Exception:  # noqa: BLE001 - it is the application's code that failed, in any way
            return tagged_repr(value)

    def inside(self, container: object, write: Callable[[], object]) -> object:
        """What `write` makes of a container, unless it is within itself or too deep."""
        if id(container) in self.path:
            return {"__cycle__": type(container).__name__}
        if len(self.path) >= MAX_DEPTH:
            return {"__truncated__": f"nested deeper than {MAX_DEPTH} levels"}
        self.path.add(id(container))
        try:
            return write()
        finally:
            self.path.discard(id(container))

    def items(self, items: Iterable[object]) -> list[object]:
        """Each item's plain form, as far as the record may grow."""
        written: list[object] = []
        for item in items:
            if self.left <= 0:
                written.append({"__truncated__": f"more than {MAX_VALUES} values"})
                break
            written.append(self.plain(item))
        return written

    def mapping(self, pairs: Iterable[tuple[object, object]]) -> dict[str, object]:
        """An object of the pairs; as a list of pairs where two keys have one text."""
        pairs = list(pairs)
        keys = self.items(key for key, _ in pairs)
        values = self.items(item for _, item in pairs)
        names = [key if isinstance(key, str) else _json(key) for key in keys]
        if len(set(names)) < len(pairs):
            return {"__items__": [list(pair) for pair in zip(keys, values, strict=False)]}
        return dict(zip(names, values, strict=False))

    def ordered(self, items: Iterable[object]) -> list[object]:
        """Each item's plain form, in an order that does not depend on hashes."""
        return sorted(self.items(items), key=_order)


def _order(value: object) -> tuple[int, float, str]:
    """The place of a plain value in a sorted set: numbers, then texts, then the rest."""
    if isinstance(value, (int, float)) and value == value:  # no NaN
        return 0, value, ""
    return (1, 0, value) if isinstance(value, str) else (2, 0, _json(value))


def _json(value: object) -> str:
    text = _encoder.encode(value).decode()
    return text[1:-1] if text.startswith('"') else text
