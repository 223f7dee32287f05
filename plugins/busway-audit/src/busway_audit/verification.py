"""Verification: is every line of a trail whole and readable?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["BadLine", "Verification", "verify"]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no record.

    Attributes:
        file: where it stands.
        line: its number, from 1.
        reason: what is wrong with it; nothing of its content.
    """

    file: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        records: lines that are whole and readable.
        files: files that were read.
        bad: lines that are not.
    """

    records: int
    files: int
    bad: int


class _Record(msgspec.Struct):
    """What a line must hold: the fields of an event. Its type may be one unknown here."""

    type: str
    payload: dict[str, object]
    timestamp: str
    id: str = "-"
    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    metadata: dict[str, object] | None = None


_decoder = msgspec.json.Decoder(_Record)


def verify(path: Path, report: Callable[[BadLine], object]) -> Verification:
    """Check every line of a file, or of all `*.jsonl` files in a directory, in order of name.

    It reads a line at a time, and files that are being written to at the same time as well.

    Args:
        path: the file or the directory.
        report: called with each bad line as it is found.

    Returns:
        The counts.

    Raises:
        OSError: if `path` is not there, or something cannot be read.
    """
    records = bad = 0
    files = _files(path)
    for file in files:
        for number, reason in _reasons(file):
            if reason:
                bad += 1
                report(BadLine(file, number, reason))
            else:
                records += 1
    return Verification(records, len(files), bad)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix == ".jsonl" and file.is_file())


def _reasons(file: Path) -> Iterator[tuple[int, str]]:
    """Each line's number, and what is wrong with it, or ""."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            yield number, _reason(line)


def _reason(line: bytes) -> str:
    if not line.endswith(b"\n"):
        return "torn: it does not end in a newline; a write was cut short, or is under way"
    if not line.strip():
        return "empty"
    try:
        record = _decoder.decode(line)
        return _wrong_value(record)
    except UnicodeDecodeError:
        return "not UTF-8"
    except msgspec.DecodeError as error:
        return str(error)
    except RecursionError:
        return "nested too deeply"


def _wrong_value(record: _Record) -> str:
    if not record.type:
        return "type: empty"
    if not record.id:
        return "id: empty"
    try:
        offset = datetime.fromisoformat(record.timestamp).utcoffset()
    except ValueError:
        return "timestamp: not ISO 8601"
    return "timestamp: naive, it has no time zone" if offset is None else ""
