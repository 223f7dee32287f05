"""Plain values: whatever a payload may hold, as values that JSON has."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from busway_audit._accepting.forms import INT_MAX, INT_MIN, form, tagged_repr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Walk", "count_plain", "to_plain"]

MAX_DEPTH: Final = 100
"""Containers within containers; what lies deeper is marked, not written."""

MAX_VALUES: Final = 1_000_000
"""Values of one record: small objects that share their parts can stand for endless ones."""

_TOO_MANY: Final = f"more than {MAX_VALUES} values"
_TEXT: Final = frozenset({str})
_SCALARS: Final = frozenset(
    {str, float, bool, NoneType, bytes, bytearray, UUID, Decimal, date, timedelta}
)
_CONTAINERS: Final = frozenset({dict, list, tuple})
_encoder = msgspec.json.Encoder()


def count_plain(fields: object) -> int:
    """How many containers a mapping is made of, itself included, if msgspec can write it as it is.

    Exact types only: what subclasses make of themselves is for `to_plain`, and so is what msgspec
    would write in another form than is documented (sets, integers beyond 64 bits, `msgspec.Raw`).
    Fewer than `MAX_DEPTH` containers are looked at, so that neither a cycle, nor a deep nest, nor
    parts that are shared can keep it busy.

    Returns:
        0 if it cannot.
    """
    if type(fields) is not dict:
        return 0
    containers: list[object] = [fields]
    for container in containers:
        if isinstance(container, dict):
            if not _TEXT.issuperset(map(type, container)):
                return 0
            container = container.values()  # noqa: PLW2901 - of a dict the values, from here on
        for item in container:  # type: ignore[attr-defined]  # _CONTAINERS are iterable
            kind = type(item)
            if kind in _SCALARS:
                continue
            if kind in _CONTAINERS and len(containers) < MAX_DEPTH - 1:
                containers.append(item)
            elif not (kind is int and INT_MIN <= item <= INT_MAX) and not (
                kind is datetime and (item.tzinfo is None or item.tzinfo is UTC)
            ):
                return 0
    return len(containers)


def to_plain(record: dict[str, object]) -> dict[str, object]:
    """A record's fields as lists, str-keyed dicts and scalars that msgspec writes as documented.

    It raises for no value: what has no form, or fails while it is looked at, becomes its tagged
    `repr`. The README's table says what becomes of what. Whatever is cut short, each field stays.
    """
    walk = Walk()
    walk.path.add(id(record))
    return {name: walk.plain(value) for name, value in record.items()}


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
                written.append({"__truncated__": _TOO_MANY})
                break
            written.append(self.plain(item))
        return written

    def mapping(self, pairs: Iterable[tuple[object, object]]) -> dict[str, object]:
        """An object of the pairs; as a list of pairs where two keys have one text."""
        written: list[tuple[object, object]] = []
        for key, value in pairs:
            if self.left <= 0:
                written.append(("__truncated__", _TOO_MANY))
                break
            written.append((self.plain(key), self.plain(value)))
        names = [key if isinstance(key, str) else _json(key) for key, _ in written]
        if len(set(names)) < len(written):
            return {"__items__": [list(pair) for pair in written]}
        return dict(zip(names, (value for _, value in written), strict=True))

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
