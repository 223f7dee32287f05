"""The output of events for who watches them, and waiting for more."""

from __future__ import annotations

import io
import select
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

from busway_audit._commands.options import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import ReadableBuffer

    from busway_audit._reading.walk import Entry

__all__ = ["binary_stdout", "show", "wait"]


class _Nowhere(io.BytesIO):
    """Takes all that is written, and keeps nothing of it."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Take it."""
        return memoryview(data).nbytes


def binary_stdout() -> BinaryIO:
    """The standard output, for bytes; nowhere, if whoever started us has closed it."""
    return _Nowhere() if sys.stdout is None else sys.stdout.buffer


def show(entries: Iterable[Entry], *, as_json: bool) -> None:
    """Print events on stdout: as their lines are, or for people.

    Raises:
        OSError: if it cannot be written.
    """
    out = binary_stdout()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for entry in entries:
        out.write(entry.line if as_json else _text(entry).encode(encoding, "backslashreplace"))
    out.flush()


def _text(entry: Entry) -> str:
    record = entry.record
    recorded_at = record.recorded_at.isoformat(sep=" ", timespec="milliseconds")
    payload = bytes(record.payload).decode()
    told = (recorded_at.replace("+00:00", "Z"), record.type, record.source or "-", payload)
    return f"{printable('  '.join(told))}\n"


def wait(seconds: float) -> None:
    """Let some time pass, unless nobody reads the output any more.

    Raises:
        BrokenPipeError: if nobody does.
    """
    try:
        reader = select.poll()
        reader.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError):  # not everywhere, and not every stdout
        time.sleep(seconds)
        return
    if reader.poll(seconds * 1_000):
        raise BrokenPipeError
