"""Exporting: events as lines of JSON, or as rows of CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from busway_audit._reading.walk import Entry

__all__ = ["COLUMNS", "write_csv", "write_jsonl"]

COLUMNS: Final = (
    "recorded_at",
    "slot",
    "seq",
    "id",
    "type",
    "timestamp",
    "source",
    "correlation_id",
    "causation_id",
    "metadata",
    "payload",
)

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, or passes over before one."""

_CONTROL: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What a terminal takes for a command, and a cell cannot hold; ends of lines and tabs may stay."""


def write_jsonl(entries: Iterable[Entry], out: BinaryIO) -> None:
    """Each event's line, byte for byte as it is in the trail.

    Raises:
        OSError: if it cannot be written.
    """
    out.writelines(entry.line for entry in entries)
    out.flush()


def write_csv(entries: Iterable[Entry], out: BinaryIO) -> None:
    """Each event as a row, below a row of `COLUMNS`; UTF-8, rows ended by CR LF.

    Raises:
        OSError: if it cannot be written.

    Source:
        RFC 4180; OWASP, CSV Injection.
    """
    text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows(map(_row, entries))
        text.flush()
    finally:
        text.detach()


def _row(entry: Entry) -> list[object]:
    record = entry.record
    texts = (
        record.id,
        record.type,
        record.timestamp,
        record.source,
        record.correlation_id or "",
        record.causation_id or "",
        bytes(record.metadata).decode(),
        bytes(record.payload).decode(),
    )
    return [record.recorded_at.isoformat(), entry.slot, record.seq, *map(_inert, texts)]


def _inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula, and no terminal for commands."""
    text = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
