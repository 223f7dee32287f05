"""Records: what is read of a line of the trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec

from busway_audit._format.chain import BrokenLine

__all__ = ["Header", "Record", "decode_header", "decode_record"]

_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Record(msgspec.Struct):
    """A line: an event, or a record of the trail's own.

    Attributes:
        record: which of the trail's own it is; "" for an event.
        first: of a commit, the seq that its batch begins with.
        events: of a commit, how many events there are in its batch; of a gap, how many are missing.
        payload: of an event, as it is written; so is `metadata`.
    """

    seq: int
    recorded_at: _Time
    record: str = ""
    first: int = 0
    events: int = 0
    id: str = ""
    type: str = ""
    payload: msgspec.Raw = msgspec.Raw()
    timestamp: str = ""
    source: str = ""
    correlation_id: str | None = None
    causation_id: str | None = None
    metadata: msgspec.Raw = msgspec.Raw()


class Header(msgspec.Struct):
    """What the first line of a segment tells of it, and of the one before."""

    seq: _Count
    recorded_at: _Time
    record: str
    version: int
    log: str
    slot: int
    segment: int
    seal: str
    previous_size: _Count
    key_id: str = ""
    because: str = ""


_T = TypeVar("_T")
_record: Final = msgspec.json.Decoder(Record)
_header: Final = msgspec.json.Decoder(Header)


def decode_record(line: bytes) -> Record:
    """What stands in a line.

    Raises:
        BrokenLine: if it is neither an event nor a record of the trail's own.
    """
    record = _decode(_record, line)
    if record.record:
        return record
    for name in ("id", "type", "timestamp"):
        if not getattr(record, name):
            raise BrokenLine(f"it has no `{name}`, and no `record`")
    if not bytes(record.payload).startswith(b"{"):
        raise BrokenLine("its payload is no object")
    return record


def decode_header(line: bytes) -> Header:
    """What a segment's first line tells.

    Raises:
        BrokenLine: if it is no header.
    """
    header = _decode(_header, line)
    if header.record != "segment":
        raise BrokenLine("it is not the header that a segment begins with")
    return header


def _decode(decoder: msgspec.json.Decoder[_T], line: bytes) -> _T:
    try:
        if not line.isascii():
            line.decode()  # msgspec looks at what it passes over less closely
        return decoder.decode(line)
    except RecursionError:
        raise BrokenLine("it is nested too deep") from None
    except (msgspec.MsgspecError, ValueError) as error:  # of UTF-8, and of numbers
        raise BrokenLine(f"it is no record: {error}") from None
