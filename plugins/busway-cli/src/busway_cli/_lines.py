"""Lines: bytes into lines, and a line into an event."""

from __future__ import annotations

from codecs import BOM_UTF8
from io import BytesIO
from typing import TYPE_CHECKING, Final

import msgspec

from busway import Event, EventError

if TYPE_CHECKING:
    from busway_cli._input import Input

__all__ = ["Lines", "parse_event"]

_RECORDED: Final = frozenset({"seq", "recorded_at", "prev", "hash"})
"""What a line of an audit trail has besides the event; it is an event without them."""


class Lines:
    """The lines of an input, each with its end, byte for byte."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._begun: list[bytes] = []  # the pieces of a line whose end has not been read

    async def read(self) -> list[bytes]:
        """The next lines, at least one; none at the end.

        Raises:
            OSError: if the input cannot be read.
        """
        while chunk := await self._source.read():
            end = chunk.rfind(b"\n") + 1
            if end:
                whole = b"".join((*self._begun, chunk[:end]))
                self._begun = [chunk[end:]]
                return BytesIO(whole).readlines()
            self._begun.append(chunk)
        rest, self._begun = b"".join(self._begun), []
        return [rest] if rest else []


def parse_event(line: bytes, *, first: bool = False) -> Event | None:
    """The event that a line holds; None for a blank line, and a record of an audit trail's own.

    Args:
        line: the line.
        first: whether it is the input's first, which may begin with a byte order mark.

    Raises:
        EventError: if it holds none.
    """
    if first:
        line = line.removeprefix(BOM_UTF8)
    if not line.strip():
        return None
    try:
        decoded: object = msgspec.json.decode(line)
    except RecursionError:
        raise EventError("it is nested too deep") from None
    except (msgspec.DecodeError, ValueError) as error:  # it is no ValueError in msgspec < 0.20
        raise EventError(str(error)) from None
    if not isinstance(decoded, dict):
        raise EventError(f"an event is an object, not {type(decoded).__name__}")
    if "hash" in decoded and decoded.keys() >= _RECORDED:
        if "record" in decoded:
            return None
        decoded = {key: value for key, value in decoded.items() if key not in _RECORDED}
    return Event.from_dict(decoded)
