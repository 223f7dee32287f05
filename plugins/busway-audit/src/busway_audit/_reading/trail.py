"""The files of a trail: which segments there are, and how much of each counts."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final

from busway_audit._format.chain import BrokenLine
from busway_audit._format.names import parse_segment
from busway_audit._format.record import Header, decode_header
from busway_audit.exceptions import TrailError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["SegmentFile", "header_of", "lines_of", "open_file", "single", "slots_of"]

MAX_LINE: Final = 1 << 30
"""Bytes of a line that are read at once: more is no line, and would fill the memory."""

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A file of a trail.

    Attributes:
        path: where it is.
        slot: whose it is.
        number: which of these it is, from 1.
        size: its size when the trail was looked at.
        next: the header of the segment after it, unverified; None if it is the newest.
        alone: whether it is read by itself, under whatever name.
    """

    path: Path
    slot: int
    number: int
    size: int
    next: Header | None = None
    alone: bool = False

    @property
    def end(self) -> int:
        """How many of its bytes count."""
        return self.size if self.next is None else min(self.size, self.next.previous_size)


def open_file(path: Path, *, links: bool = False) -> BinaryIO:
    """Open a file for reading, without waiting for it.

    Args:
        path: where it is.
        links: whether it may be a link; in a trail's directory it may not.

    Raises:
        OSError: if it cannot be read, or is no regular file.
    """
    flags = _FLAGS if links else _FLAGS | getattr(os, "O_NOFOLLOW", 0)
    file = open(path, "rb", opener=lambda name, _: os.open(name, flags))  # noqa: SIM115 - returned
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def slots_of(
    directory: Path, since: Mapping[int, int] = MappingProxyType({})
) -> dict[int, list[SegmentFile]]:
    """The segments that are there, in order, by slot.

    Args:
        directory: where they are.
        since: with which number to begin, by slot; the first there is, if a slot is not named.

    Raises:
        OSError: if the directory cannot be read.
    """
    found: dict[int, list[tuple[int, str]]] = {}
    for name in os.listdir(directory):
        slot, number = parse_segment(name) or (0, 0)
        if slot and number >= since.get(slot, 0):
            found.setdefault(slot, []).append((number, name))
    return {slot: _segments(directory, slot, sorted(found[slot])) for slot in sorted(found)}


def header_of(segment: SegmentFile) -> Header | None:
    """What its first line says, unverified; None if it has none that counts."""
    with suppress(BrokenLine):
        return decode_header(next(lines_of(segment), b""))
    return None


def single(path: Path) -> SegmentFile:
    """A file that is read by itself, under whatever name.

    Raises:
        OSError: if it cannot be read.
        TrailError: if it does not begin as a segment does.
    """
    size = path.stat().st_size
    try:
        first = next(lines_of(SegmentFile(path, 0, 0, size, alone=True)), b"")
        header = decode_header(first)
    except BrokenLine:
        raise TrailError(f"{path} is no segment of an audit trail") from None
    return SegmentFile(path, header.slot, header.segment, size, alone=True)


def lines_of(segment: SegmentFile, begin: int = 0) -> Iterator[bytes]:
    """The lines that count, each with its end, if it has one.

    Args:
        segment: of which file.
        begin: how many bytes to pass over.

    Raises:
        OSError: if it cannot be read, or is no regular file.
    """
    with open_file(segment.path, links=segment.alone) as file:
        left = segment.end - begin
        try:
            file.seek(begin)
            while left > 0 and (line := file.readline(min(left, MAX_LINE))):
                left -= len(line)
                yield line
        except OSError as error:  # which does not know of which file it speaks
            raise OSError(error.errno, error.strerror, str(segment.path)) from error


def _segments(directory: Path, slot: int, names: list[tuple[int, str]]) -> list[SegmentFile]:
    """From the last to the first: each tells how much of the one before counts."""
    made: list[SegmentFile] = []
    for number, name in reversed(names):
        path = directory / name
        following = header_of(made[-1]) if made and made[-1].number == number + 1 else None
        made.append(SegmentFile(path, slot, number, path.lstat().st_size, following))
    return made[::-1]
