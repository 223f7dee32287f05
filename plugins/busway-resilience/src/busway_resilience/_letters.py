"""Dead letters as JSON: an event, with what became of it in its metadata."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Final
from uuid import UUID

from busway import Event

__all__ = ["KEYS", "decode", "encode"]

KEYS: Final = ("deadletterhandler", "deadlettererror", "deadlettertime")
"""The keys of the metadata: names as those of CloudEvents extensions."""

_LONGEST: Final = 1_000
"""Characters of an error's message, or of a `repr`, that are kept."""

_DEEPEST: Final = 20
"""Containers around one that JSON cannot be made of, of which the others are kept."""


def encode(event: Event, handler: str, error: Exception) -> bytes:
    """A line that `busway run` reads as the event."""
    told = handler, _cut(_text(error)), datetime.now(UTC).isoformat()
    fields = event.to_dict()
    fields["metadata"] = {**event.metadata, **dict(zip(KEYS, told, strict=True))}
    return _json(fields).encode() + b"\n"


def decode(line: bytes) -> tuple[Event, dict[str, str]]:
    """The event of a line, as it was, and what became of it.

    Raises:
        ValueError: if it is no JSON in UTF-8.
        RecursionError: if it is nested too deep.
        EventError: if it is no event.
    """
    event = Event.from_dict(json.loads(line.decode()))
    told = {key: event.metadata.get(key, "") for key in KEYS}
    kept = {key: value for key, value in event.metadata.items() if key not in KEYS}
    return event.replace(metadata=kept), told


def _json(fields: dict[str, object]) -> str:
    try:
        return json.dumps(fields, default=_plain, allow_nan=False)
    except Exception:  # noqa: BLE001 - keys, NaN, a cycle, a deep nest, what a stranger raises
        payload = fields["payload"]
        items = payload.items() if isinstance(payload, Mapping) else ()
        fields["payload"] = {str(key): _json_value(value, ()) for key, value in items}
        return json.dumps(fields, default=_plain, allow_nan=False)


def _json_value(value: object, within: tuple[object, ...]) -> object:
    """A value if JSON can be made of it; else what it can be made of in it; else its `repr`."""
    if isinstance(value, float):  # there may be very many, and one NaN
        return value if isfinite(value) else _tagged(value)
    try:
        json.dumps(value, default=_plain, allow_nan=False)
    except Exception:  # noqa: BLE001 - as above
        try:
            return _json_parts(value, within)
        except Exception:  # noqa: BLE001 - as above
            return _tagged(value)
    return value


def _json_parts(value: object, within: tuple[object, ...]) -> object:
    if len(within) < _DEEPEST and not any(value is one for one in within):
        if isinstance(value, Mapping):
            return {str(key): _json_value(one, (*within, value)) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [_json_value(one, (*within, value)) for one in value]
    return _tagged(value)


def _plain(value: object) -> object:
    """What becomes of a value that JSON lacks."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return sorted(value, key=repr)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    return _tagged(value)


def _tagged(value: object) -> dict[str, object]:
    try:
        return {"__repr__": _cut(repr(value))}
    except Exception as error:  # noqa: BLE001 - a repr can fail in any way
        return {"__repr__": f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"}


def _text(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a message can fail in any way
        return type(error).__name__


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
