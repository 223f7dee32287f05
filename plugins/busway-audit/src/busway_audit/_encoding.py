"""The encoding: an event as JSON, whatever its payload holds, without what is to be hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

import msgspec

from busway_audit._plain import is_plain, to_plain
from busway_audit._snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from busway.events import Event
    from busway_audit._redaction import Redaction

__all__ = ["Encoded", "Encoding"]

_encoder = msgspec.json.Encoder()

# JSON allows these within strings, but str.splitlines() and JavaScript end a line at them.
_SEPARATORS: Final = (
    ("\x85".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


class Encoded(NamedTuple):
    """An event that was encoded when it was accepted: nothing else of it need be kept.

    Attributes:
        size: bytes in memory.
        story: its correlation id, or its id.
        fields: what the writer writes.
    """

    size: int
    story: str
    fields: bytes


class Encoding:
    """Takes events in the publisher's thread, at little cost, and encodes them in the writer's.

    Args:
        redaction: what is to be hidden, in payload and metadata.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def take(self, event: Event) -> Snapshot | Encoded:
        """What is to be written of an event, as it is now; a later change does not alter it."""
        snapshot = take_snapshot(event)
        if snapshot is not None:
            return snapshot
        fields = self._encode_odd(event.to_dict())
        return Encoded(len(fields), event.correlation_id or event.id, fields)

    def encode(self, taken: Snapshot | Encoded) -> bytes:
        """The event's `to_dict()` as a JSON object without its braces.

        Nothing in the event can forge a line: there is no line separator in it, by anyone's count.
        """
        if isinstance(taken, Encoded):
            return taken.fields
        record = taken.event.to_dict()
        record["payload"], record["metadata"] = taken.payload, taken.metadata
        try:
            if is_plain(record):
                return _fields(record | self._redacted(taken))
        except (msgspec.MsgspecError, ArithmeticError, TypeError, ValueError):
            pass  # a lone surrogate
        return self._encode_odd(record)

    def _redacted(self, taken: Snapshot) -> dict[str, object]:
        """What of payload and metadata must be written otherwise."""
        redacted: dict[str, object] = {}
        if not taken.flat or not self._redaction.hides_none(taken.payload):
            redacted["payload"] = self._redaction.apply(taken.payload)
        if not self._redaction.hides_none(taken.metadata):
            redacted["metadata"] = self._redaction.apply(taken.metadata)
        return redacted

    def _encode_odd(self, record: dict[str, object]) -> bytes:
        plain = cast("dict[str, object]", to_plain(record))
        for name in ("payload", "metadata"):
            plain[name] = self._redaction.apply(plain[name])
        return _fields(plain)


def _fields(record: object) -> bytes:
    encoded = _encoder.encode(record)
    if not encoded.isascii():
        for separator, escape in _SEPARATORS:
            encoded = encoded.replace(separator, escape)
    return encoded[1:-1]
