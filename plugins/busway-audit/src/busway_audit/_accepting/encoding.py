"""The encoding: an event as JSON, whatever its payload holds, without what is to be hidden."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from busway_audit._accepting.plain import count_plain, to_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway.events import Event
    from busway_audit._accepting.redaction import Redaction

__all__ = ["Encoding"]

_encoder = msgspec.json.Encoder()

_NOTHING: Final[Mapping[str, object]] = {}
_MAPPINGS: Final = ("payload", "metadata")
_UNENCODABLE: Final = (msgspec.MsgspecError, ArithmeticError, TypeError, ValueError)
"""What the encoder raises for a lone surrogate, and for a value that says what it is not."""

# JSON allows these within strings, but str.splitlines() and JavaScript end a line at them.
_SEPARATORS: Final = (
    ("\x85".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


class _Record(msgspec.Struct, gc=False):
    """What `Event.to_dict` tells, in its order, at a third of its price."""

    id: str
    type: str
    payload: object
    timestamp: str | msgspec.Raw
    source: str
    correlation_id: str | None
    causation_id: str | None
    metadata: object


class Encoding:
    """Encodes events, as they are at that moment.

    Args:
        redaction: what is to be hidden, in payload and metadata.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def encode(self, event: Event) -> bytes:
        """The event's `to_dict()` as a JSON object without its braces.

        Nothing in the event can forge a line: there is no line separator in it, by anyone's count.
        """
        record = _Record(
            event.id,
            event.type,
            self._redacted(event.payload),
            _iso_format(event.timestamp),
            event.source,
            event.correlation_id,
            event.causation_id,
            self._redacted(event.metadata) if event.metadata else _NOTHING,
        )
        try:
            encoded = _encoder.encode(record)
        except _UNENCODABLE:
            encoded = _encoder.encode(self._redacted_plain(event))
        if not encoded.isascii():
            for separator, escape in _SEPARATORS:
                encoded = encoded.replace(separator, escape)
        return encoded[1:-1]

    def _redacted(self, fields: Mapping[str, object]) -> object:
        """What is to be written of a mapping: itself, if it can be."""
        containers = count_plain(fields)
        if containers == 1 and self._redaction.hides_none(fields):
            return fields
        return self._redaction.apply(fields if containers else to_plain({"": fields})[""])

    def _redacted_plain(self, event: Event) -> dict[str, object]:
        """The whole record, if the encoder refuses a part of it."""
        plain = to_plain(event.to_dict())
        return plain | {name: self._redaction.apply(plain[name]) for name in _MAPPINGS}


def _iso_format(moment: datetime) -> str | msgspec.Raw:
    """As `moment.isoformat()`; msgspec's own form, which ends in `Z`, takes a quarter of it."""
    if type(moment) is datetime and moment.tzinfo is UTC:
        return msgspec.Raw(_encoder.encode(moment)[:-2] + b'+00:00"')
    return moment.isoformat()
