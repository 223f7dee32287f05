"""The encoding: an event as JSON, whatever its payload holds, without what is to be hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from busway_audit._accepting.plain import count_plain, to_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway.events import Event
    from busway_audit._accepting.redaction import Redaction

__all__ = ["Accepted", "Encoding"]

_encoder = msgspec.json.Encoder()

_UNENCODABLE: Final = (msgspec.MsgspecError, ArithmeticError, TypeError, ValueError)
"""What the encoder raises for a lone surrogate, and for a value that says what it is not."""

_OVERHEAD: Final = 250  # bytes of each half of an event besides these, or about so many
_VALUE, _CONTAINER = 40, 200  # the same of what stands in it
_EMPTY: Final = b"{}"

# JSON allows these within strings, but str.splitlines() and JavaScript end a line at them.
_SEPARATORS: Final = (
    ("\x85".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


class Accepted(msgspec.Struct, gc=False):
    """An event that was accepted, and is yet to be written.

    The collector need not look at it: nothing leads back to it.

    Attributes:
        size: bytes in memory, or about so many.
        event: of which all but these two cannot change.
        payload: as it was then, in JSON.
        metadata: likewise.
    """

    size: int
    event: Event
    payload: bytes
    metadata: bytes


class _Record(msgspec.Struct):
    """What `Event.to_dict` tells, in its order, at a third of its price."""

    id: str
    type: str
    payload: msgspec.Raw
    timestamp: str
    source: str
    correlation_id: str | None
    causation_id: str | None
    metadata: msgspec.Raw


class Encoding:
    """Encodes in the publisher's thread what could change of an event, in the writer's the rest.

    Args:
        redaction: what is to be hidden, in payload and metadata.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def accept(self, event: Event) -> Accepted:
        """What is to be written of an event, as it is now; a later change does not alter it."""
        payload = self._encode_mapping(event.payload)
        metadata = self._encode_mapping(event.metadata) if event.metadata else _EMPTY
        return Accepted(_weigh(payload) + _weigh(metadata), event, payload, metadata)

    def encode(self, accepted: Accepted) -> bytes:
        """The event's `to_dict()` as a JSON object without its braces.

        Nothing in the event can forge a line: there is no line separator in it, by anyone's count.
        """
        event = accepted.event
        record = _Record(
            event.id,
            event.type,
            msgspec.Raw(accepted.payload),
            event.timestamp.isoformat(),
            event.source,
            event.correlation_id,
            event.causation_id,
            msgspec.Raw(accepted.metadata),
        )
        try:
            encoded = _encoder.encode(record)
        except _UNENCODABLE:
            mappings = {"payload": record.payload, "metadata": record.metadata}
            rest = to_plain(event.to_dict() | dict.fromkeys(mappings))
            encoded = _encoder.encode(rest | mappings)
        if not encoded.isascii():
            for separator, escape in _SEPARATORS:
                encoded = encoded.replace(separator, escape)
        return encoded[1:-1]

    def _encode_mapping(self, fields: Mapping[str, object]) -> bytes:
        containers = count_plain(fields)
        try:
            if containers == 1 and self._redaction.hides_none(fields):
                return _encoder.encode(fields)
            if containers:
                return _encoder.encode(self._redaction.apply(fields))
        except _UNENCODABLE:
            pass
        plain = to_plain({"": fields})[""]
        return _encoder.encode(self._redaction.apply(plain))


def _weigh(encoded: bytes) -> int:
    """What a mapping weighs in memory, where the event holds it, too; or about so much."""
    containers = encoded.count(b"{") + encoded.count(b"[")
    return _OVERHEAD + 2 * len(encoded) + _VALUE * encoded.count(b",") + _CONTAINER * containers
