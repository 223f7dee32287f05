"""A batch: the lines that become durable together, of which the last is a commit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from busway_audit._format.chain import NO_HASH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from busway_audit._format.chain import Seal

__all__ = ["NOTHING_YET", "Batch", "Tip"]

_encoder = msgspec.json.Encoder()


class Tip(NamedTuple):
    """The last line of a chain."""

    seq: int
    hash: str


NOTHING_YET = Tip(0, NO_HASH)


class Batch:
    """Lines that follow the tip of a chain, all recorded at the moment this is made.

    Attributes:
        tip: the last line so far.
        day: that of `recorded_at`.
    """

    def __init__(self, tip: Tip, seal: Seal) -> None:
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        self.tip = tip
        self.day = now[:10]
        self._first = tip.seq + 1
        self._recorded = b',"recorded_at":"%s",' % now.encode()
        self._seal = seal
        self._lines: list[bytes] = []

    def add(self, objects: Iterable[bytes]) -> None:
        """Add lines.

        Args:
            objects: JSON objects without their braces.
        """
        seq, prev = self.tip
        recorded, line_of, lines = self._recorded, self._seal.line, self._lines
        for fields in objects:
            seq += 1
            line, prev = line_of(b'{"seq":%d%s%s' % (seq, recorded, fields), prev)
            lines.append(line)
        self.tip = Tip(seq, prev)

    def add_record(self, record: str, **fields: object) -> None:
        """Add a record of the trail's own; a field that is None is left out."""
        given = {name: value for name, value in fields.items() if value is not None}
        self.add([_encoder.encode({"record": record, **given})[1:-1]])

    def commit(self, events: int) -> bytes:
        """End it, telling how many events it holds; returns all of it."""
        self.add_record("commit", first=self._first, events=events)
        return b"".join(self._lines)
