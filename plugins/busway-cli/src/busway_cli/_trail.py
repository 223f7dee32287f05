"""A trail: the directory that an audit trail is in, read as one input.

It is known by its shape, which busway-audit documents; that plugin need not be installed.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice, zip_longest
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import msgspec

from busway_cli._input import Input

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Trail"]

_SEGMENT: Final = re.compile(r"audit(?:-w([1-9][0-9]*))?-([0-9]{6,})\.jsonl")
_LINES: Final = 256  # at a time; the loop is not to wait long
_HEADER: Final = 1 << 16  # bytes: a first line is shorter
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


class _Header(msgspec.Struct):
    """Of a segment's first line, what a reader of the events needs."""

    previous_size: int


class _Recorded(msgspec.Struct):
    """Of any line, when it was recorded, and which of the trail's own records it is, or ""."""

    recorded_at: Annotated[datetime, msgspec.Meta(tz=True)]
    record: str = ""


@dataclass(frozen=True, slots=True)
class _Segment:
    """A file of the trail, as it is when the run begins."""

    writer: int
    number: int
    name: str
    status: os.stat_result


class Trail(Input):
    """The segments of all writers as one input, in the order in which they were recorded.

    It is read to the end that it has now, as far as batches were finished: what is behind the last
    commit may yet be cut off. A writer's own order stays as it is, whatever the clock did.

    Args:
        descriptor: of the directory.

    Attributes:
        size: how many bytes are there to read; None if there is no segment.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._error: OSError | None = None
        self._segments = sorted(_segments(descriptor), key=attrgetter("writer", "number"))
        if self._segments:
            self.size = sum(one.status.st_size for one in self._segments)
        grouped = groupby(self._segments, key=attrgetter("writer"))
        self._lines = _merged([_lines_of(descriptor, list(group)) for _, group in grouped])

    async def read(self) -> bytes:
        """The next lines; none at the end, or once it was ended.

        Raises:
            OSError: if a segment cannot be read.
        """
        if self._ended:
            return b""
        lines: list[bytes] = []
        try:
            for line in islice(self._lines, _LINES):
                lines.append(line)  # noqa: PERF402 - what was read before an error counts
        except OSError as error:
            self._error = error
        if not lines and self._error is not None:
            raise self._error
        return b"".join(lines)

    def is_from(self, status: os.stat_result) -> bool:
        """Whether one of its segments is the file of that status."""
        return any(os.path.samestat(status, one.status) for one in self._segments)


def _segments(descriptor: int) -> Iterator[_Segment]:
    for name in os.listdir(descriptor):
        named = _SEGMENT.fullmatch(name)
        if named is not None and named[1] != "1" and named[2] == f"{int(named[2]):06}":
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield _Segment(int(named[1] or 1), int(named[2]), name, status)


def _merged(writers: list[Iterator[bytes]]) -> Iterator[bytes]:
    if len(writers) == 1:
        return writers[0]
    return map(itemgetter(1), heapq.merge(*map(_timed, writers), key=itemgetter(0)))


def _timed(lines: Iterable[bytes]) -> Iterator[tuple[datetime, bytes]]:
    """Each line with its time; one that tells none stays where it is."""
    time = _EARLIEST
    for line in lines:
        with suppress(*_UNREADABLE):
            time = _recorded.decode(line).recorded_at
        yield time, line


def _lines_of(descriptor: int, segments: list[_Segment]) -> Iterator[bytes]:
    """One writer's lines, of batches that were finished."""
    for segment, following in zip_longest(segments, segments[1:]):
        with _open(descriptor, segment) as file:
            left = _end(descriptor, segment, following)
            batch: list[bytes] = []
            while line := file.readline(left):
                left -= len(line)
                batch.append(line)
                if _ends_batch(line):
                    yield from batch
                    batch.clear()


def _ends_batch(line: bytes) -> bool:
    with suppress(*_UNREADABLE):
        return line.endswith(b"\n") and _recorded.decode(line).record == "commit"
    return False


def _end(descriptor: int, segment: _Segment, following: _Segment | None) -> int:
    """Where a segment ends: what its successor says does not count was never acknowledged."""
    size = segment.status.st_size
    if following is None or following.number != segment.number + 1:
        return size
    with _open(descriptor, following) as file, suppress(*_UNREADABLE):
        return min(size, max(_header.decode(file.readline(_HEADER)).previous_size, 0))
    return size


def _open(descriptor: int, segment: _Segment) -> BinaryIO:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    return open(os.open(segment.name, flags, dir_fd=descriptor), "rb")


_header = msgspec.json.Decoder(_Header)
_recorded = msgspec.json.Decoder(_Recorded)
