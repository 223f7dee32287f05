"""The forms: what becomes in JSON of each type that JSON lacks."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from busway_audit._accepting.plain import Walk

__all__ = ["INT_MAX", "INT_MIN", "form", "tagged_repr"]

MAX_REPR: Final = 1_000
"""Characters kept of a `repr`."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1


@functools.singledispatch
def form(value: object, walk: Walk) -> object:
    """The plain form of a value, by its type: here, of one that has none of its own."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
    else:
        return tagged_repr(value)
    return walk.inside(value, lambda: walk.mapping(_attributes(value, names)))


@form.register(NoneType)
@form.register(bool)
def _(value: object, _walk: Walk) -> object:
    return value


@form.register(timedelta)
def _(value: timedelta, _walk: Walk) -> object:
    return timedelta(value.days, value.seconds, value.microseconds)  # of a subclass, too


@form.register(str)
def _(value: str, _walk: Walk) -> object:
    return _text(value)


@form.register(int)
def _(value: int, _walk: Walk) -> object:
    value = int.__int__(value)
    if INT_MIN <= value <= INT_MAX:
        return value
    try:
        return int.__str__(value)
    except ValueError:  # more digits than sys.get_int_max_str_digits() allows
        return hex(value)


@form.register(float)
def _(value: float, _walk: Walk) -> object:
    return float.__float__(value)


@form.register(bytes)
@form.register(bytearray)
@form.register(memoryview)
def _(value: bytes, _walk: Walk) -> object:
    return bytes(memoryview(value))  # what it holds, not what it says


@form.register(date)
@form.register(time)
def _(value: date | time, _walk: Walk) -> object:
    if isinstance(value, datetime) and value.tzinfo is UTC:
        value = value.replace(tzinfo=None)
        return _text(value.isoformat()) + "Z"  # as msgspec writes it
    return _text(value.isoformat())


@form.register(UUID)
@form.register(Decimal)
def _(value: object, _walk: Walk) -> object:
    return _text(str(value))


@form.register(Enum)
def _(value: Enum, walk: Walk) -> object:
    return walk.inside(value, lambda: walk.plain(value.value))


@form.register(list)
@form.register(tuple)
@form.register(deque)
def _(value: Iterable[object], walk: Walk) -> object:
    return walk.inside(value, lambda: walk.items(list(value)))


@form.register(AbstractSet)
def _(value: Iterable[object], walk: Walk) -> object:
    return walk.inside(value, lambda: walk.ordered(list(value)))


@form.register(Mapping)
def _(value: Mapping[object, object], walk: Walk) -> object:
    return walk.inside(value, lambda: walk.mapping(list(value.items())))


@form.register(msgspec.Struct)
def _(value: msgspec.Struct, walk: Walk) -> object:
    names = value.__struct_fields__
    return walk.inside(value, lambda: walk.mapping(_attributes(value, names)))


@form.register(msgspec.Raw)
def _(value: msgspec.Raw, walk: Walk) -> object:
    try:
        return walk.plain(msgspec.json.decode(value))
    except (msgspec.MsgspecError, ValueError, RecursionError):  # it holds no JSON
        return bytes(memoryview(value))


def _attributes(value: object, names: Iterable[str]) -> list[tuple[object, object]]:
    """Names and values of the attributes that are there; a deleted one is not."""
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


def _text(value: str) -> str:
    """An exact str, in UTF-8: a lone surrogate becomes the six characters of its escape."""
    return str.encode(value, "utf-8", "backslashreplace").decode()


def tagged_repr(value: object) -> dict[str, object]:
    """What is left to say of a value that has no form, or whose form could not be had."""
    try:
        text = _text(repr(value))
    except Exception as error:  # noqa: BLE001 - a repr can fail in any way
        text = f"<{type(value).__name__} object, whose repr raised {type(error).__name__}>"
    if len(text) > MAX_REPR:
        text = f"{text[:MAX_REPR]}… ({len(text)} characters)"
    return {"__repr__": text}
