"""Whatever a payload holds: one line of JSON, with the event's own fields, and no secret."""

from __future__ import annotations

import json
import uuid
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from busway.events import Event
from busway_audit._accepting.encoding import Encoding
from busway_audit._accepting.redaction import Redaction

__all__ = ["check"]

CANARY = "canary-4711-secret"
HIDDEN = ("password", "Access-Token", "authorization", "apiToken")

_encodings = [
    Encoding(Redaction(["password", "token", "authorization"], key))
    for key in (None, bytes(range(32)))
]


def check(data: bytes) -> None:
    """Make a payload of the input, and encode it."""
    source = _Source(data)
    payload = {source.text(): source.value(0) for _ in range(source.byte() % 5)}
    event = Event("user.login", payload, source=source.text(), metadata={source.text(): "x"})
    for encoding in _encodings:
        line = b"{%s}" % encoding.encode(event)
        assert len(line.decode().splitlines()) == 1
        record = json.loads(line, parse_constant=_refuse)
        assert msgspec.json.decode(line).keys() == record.keys() == event.to_dict().keys()
        assert record["id"] == event.id
        assert CANARY.encode() not in line


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


class _Source:
    """Values, as the bytes say."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def take(self) -> bytes:
        size = self.byte() % 32
        self._at += size
        return self._data[self._at - size : self._at]

    def text(self) -> str:
        return self.take().decode("utf-8", "surrogateescape" if self.byte() % 2 else "replace")

    def value(self, depth: int) -> Any:
        kind = self.byte() % (20 if depth < 6 else 12)
        if kind == 12:
            return {HIDDEN[self.byte() % len(HIDDEN)]: self.secret()}
        if kind > 12:
            items = [self.value(depth + 1) for _ in range(self.byte() % 4)]
            makers = (list, tuple, deque, _as_set, _as_mapping, _Odd, _as_cycle)
            return makers[kind - 13](items)
        return self.scalar(kind)

    def scalar(self, kind: int) -> Any:
        number = int.from_bytes(self.take(), signed=True)
        made = (
            None,
            number,
            -(2**63) + number % 3,
            float("nan") if number % 2 else number / 7 if abs(number) < 2**900 else 0.0,
            self.text,
            self.take,
            lambda: bytearray(self.take()),
            lambda: datetime.fromtimestamp(number % 2**31, UTC),
            lambda: timedelta(number % 10**6, number % 86_400),
            lambda: Decimal(number),
            lambda: uuid.UUID(int=number % 2**128),
            lambda: msgspec.Raw(self.take()),
        )[kind]
        return made() if callable(made) else made

    def secret(self) -> Any:
        kind = self.byte() % 4
        return (CANARY, [CANARY], {CANARY: {1: CANARY}}, _Odd([CANARY]))[kind]


class _Odd(msgspec.Struct):
    password: Any


def _as_set(items: list[Any]) -> Any:
    try:
        return set(items)
    except TypeError:
        return items


def _as_mapping(items: list[Any]) -> Any:
    try:
        return dict(zip(items, items[1:] + items[:1], strict=True))
    except TypeError:
        return {str(number): item for number, item in enumerate(items)}


def _as_cycle(items: list[Any]) -> Any:
    items.append(items)
    return items
