"""The forms: what becomes in JSON of payload values that JSON lacks; those of the audit trail."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import math
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Final
from uuid import UUID

__all__ = ["plain"]

_MAX_REPR: Final = 1_000
_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1


def plain(value: object) -> object:
    """A value as JSON has it: lists, dicts with keys of str, finite numbers, text in UTF-8.

    Raises:
        RecursionError: if it is nested too deep, or holds itself.
    """
    kind = type(value)
    if kind is str and value.isascii():  # type: ignore[attr-defined]  # most values are
        return value
    return _form.dispatch(kind)(value)


@functools.singledispatch
def _form(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    text = _text(repr(value))
    return {"__repr__": text if len(text) <= _MAX_REPR else text[:_MAX_REPR] + "…"}


@_form.register(NoneType)
@_form.register(bool)
def _(value: object) -> object:
    return value


@_form.register(str)
def _text(value: str) -> str:
    """In UTF-8: a lone surrogate becomes the six characters of its escape."""
    return str.encode(value, "utf-8", "backslashreplace").decode()


@_form.register(int)
def _(value: int) -> object:
    value = int.__int__(value)
    return value if _INT_MIN <= value <= _INT_MAX else str(value)


@_form.register(float)
def _(value: float) -> float | None:
    return float.__float__(value) if math.isfinite(value) else None


@_form.register(bytes)
@_form.register(bytearray)
@_form.register(memoryview)
def _(value: bytes) -> str:
    return base64.b64encode(value).decode()


@_form.register(date)
@_form.register(time)
def _(value: date | time) -> str:
    if isinstance(value, datetime) and value.tzinfo is UTC:
        return value.replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat()


@_form.register(UUID)
@_form.register(Decimal)
def _(value: object) -> str:
    return str(value)


@_form.register(Enum)
def _(value: Enum) -> object:
    return plain(value.value)


@_form.register(list)
@_form.register(tuple)
@_form.register(deque)
def _(value: Iterable[object]) -> list[object]:
    return [plain(one) for one in value]


@_form.register(AbstractSet)
def _(value: Iterable[object]) -> list[object]:
    return sorted(map(plain, value), key=_order)


@_form.register(Mapping)
def _(value: Mapping[object, object]) -> object:
    written = {_key(key): plain(one) for key, one in value.items()}
    if len(written) < len(value):  # two keys have one form
        return {"__items__": [[_key(key), plain(one)] for key, one in value.items()]}
    return written


def _key(key: object) -> str:
    if type(key) is str:
        return key if key.isascii() else _text(key)
    form = plain(key)
    return form if isinstance(form, str) else json.dumps(form, separators=(",", ":"))


def _order(value: object) -> tuple[int, float, str]:
    """The place of a plain value in a set: numbers, then texts, then the rest."""
    if isinstance(value, (int, float)):
        return 0, value, ""
    return (1, 0, value) if isinstance(value, str) else (2, 0, json.dumps(value))
