"""Events as JSON: written only if what is read back is the same."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from busway.events import Event
from busway_outbox.exceptions import UnrecordedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["decode", "encode"]

_encoder: Final = msgspec.json.Encoder()
_Place: TypeAlias = "tuple[_Place | None, str]"
_TEXT: Final = frozenset((str,))
_TEXT_OR_NONE: Final = frozenset((str, type(None)))
_PLAIN: Final = frozenset((str, int, bool, type(None)))
_MOST: Final = 1_000_000
"""Lists, dicts and floats that are looked at: what holds itself would have no end."""


def encode(event: Event) -> str:
    """The event as one line of ASCII.

    Raises:
        UnrecordedError: if a handler that got it later would not see the same: it names the key.
    """
    fault = None if _is_flat(event) else next(_faults(event), None)
    if fault is not None:
        raise UnrecordedError(
            f"{event.type} {event.id} cannot be recorded: {fault}, which would not be read back "
            "the same. Put into the payload what JSON has: str, int, float, bool, None, and "
            "lists and dicts with str keys of these"
        )
    try:
        fields = event.to_dict()
        fields["metadata"] = dict(event.metadata)
        return _written(fields)
    except (RecursionError, ValueError) as error:
        raise UnrecordedError(f"{event.type} {event.id} cannot be recorded: {error}") from error


def decode(text: str) -> Event:
    """The event that was encoded.

    Raises:
        EventError: if its type is not registered.
        ValueError: if it is no event.
    """
    return Event.from_dict(json.loads(text))


def _written(fields: dict[str, object]) -> str:
    """In ASCII, which a database of any encoding takes."""
    try:
        text = _encoder.encode(fields)
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(fields)
    return text.decode() if text.isascii() else json.dumps(fields)


def _is_flat(event: Event) -> bool:
    """Whether an event is what most are: without fault, and nothing in it is to be walked."""
    payload = event.payload
    texts = (event.id, event.source, event.correlation_id, event.causation_id)
    return (
        type(event) is Event
        and type(payload) is dict
        and not event.metadata
        and _TEXT_OR_NONE.issuperset(map(type, texts))
        and _TEXT.issuperset(map(type, payload))
        and _PLAIN.issuperset(map(type, payload.values()))
    )


def _faults(event: Event) -> Iterator[str]:
    """What is wrong with an event, one thing after another."""
    if type(event) is not Event:
        yield f"it is a {type(event).__name__}"
    if type(event.payload) is not dict:
        yield f"its payload is a {type(event.payload).__name__}"
    texts = (event.id, event.source, event.correlation_id, event.causation_id)
    for name, text in zip(("id", "source", "correlation_id", "causation_id"), texts, strict=True):
        if type(text) not in (str, type(None)):
            yield f"its {name} is a {type(text).__name__}"
    yield from _faults_of(dict(event.metadata), "metadata")
    yield from _faults_of(event.payload, "payload")


def _faults_of(value: object, name: str) -> Iterator[str]:
    """Walks without recursion: a payload may be deeper than Python's stack."""
    left: list[tuple[object, _Place]] = [(value, (None, name))]
    looked_at = 0
    while left:
        one, place = left.pop()
        kind = type(one)
        if kind in _PLAIN:
            continue
        looked_at += 1
        if looked_at > _MOST:
            yield f"its {name} holds itself, or more than {_MOST:,} lists and dicts"
            return
        if isinstance(one, dict) and kind is dict:
            for key, inner in one.items():
                if type(key) is not str:
                    yield f"{_shown(place)} has the key {key!r}, a {type(key).__name__}"
                left.append((inner, (place, f".{key}")))
        elif isinstance(one, list) and kind is list:
            left.extend((inner, (place, f"[{index}]")) for index, inner in enumerate(one))
        elif isinstance(one, float) and kind is float:
            if not isfinite(one):
                yield f"{_shown(place)} is {one}"
        else:
            yield f"{_shown(place)} is a {kind.__name__}"


def _shown(place: _Place | None) -> str:
    """Where it is; written out only if something is wrong there."""
    steps = []
    while place is not None:
        place, step = place
        steps.append(step)
    return "".join(reversed(steps))
