"""Repair: what a crash has torn is kept in a file, cut off, and the rest of it made durable."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from busway_audit._format.names import aside_name, parse_aside, segment_name
from busway_audit._writing.segment import sync_file, write_all

if TYPE_CHECKING:
    from collections.abc import Collection

    from busway_audit._writing.directory import Directory
    from busway_audit._writing.scan import Scan

__all__ = ["Repair"]


class Repair:
    """Repairs the segments of a slot, so that each step can be crashed, and done again.

    Args:
        directory: where they are.
        slot: whose they are.

    Attributes:
        cuts: what was cut off, as records of the trail.
    """

    def __init__(self, directory: Directory, slot: int) -> None:
        self.cuts: list[dict[str, int | str]] = []
        self._directory = directory
        self._slot = slot

    def set_aside(self, number: int, scan: Scan) -> None:
        """Take a whole file out of the chain; its number is used again."""
        name = segment_name(self._slot, number)
        if not scan.size:
            self._directory.remove(name)
            return
        aside = self._free_name(name)
        self._directory.rename(name, aside)
        self._note_cut(number, scan.size, aside)

    def cut(self, number: int, scan: Scan) -> None:
        """Keep what stands beyond the last whole batch in a file; then cut it off."""
        name = segment_name(self._slot, number)
        aside = self._free_name(name)
        fd = self._directory.open(name, os.O_RDWR)
        try:
            tail = os.pread(fd, scan.size - scan.whole, scan.whole)
            self._keep(aside, tail)
            os.ftruncate(fd, scan.whole)
            sync_file(fd)
        finally:
            os.close(fd)
        self._note_cut(number, len(tail), aside)

    def recall(self, numbers: Collection[int], told: Collection[str]) -> None:
        """Tell again of what was cut off, and kept, by who crashed before that was told of.

        Args:
            numbers: of which segments.
            told: the files that records name.
        """
        known = {*told, *(cut["kept"] for cut in self.cuts)}
        for name in sorted(self._directory.names()):
            slot, number = parse_aside(name) or (0, 0)
            if slot == self._slot and number in numbers and name not in known:
                self._note_cut(number, self._directory.size(name), name)

    def _keep(self, name: str, data: bytes) -> None:
        fd = self._directory.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            write_all(fd, data)
            sync_file(fd)
            self._directory.sync()
        except BaseException:
            with suppress(OSError):
                self._directory.remove(name)
            raise
        finally:
            os.close(fd)

    def make_durable(self, number: int, scan: Scan) -> None:
        """Write the last batch once more where it is, and sync it.

        Whoever wrote it may have died before its sync, or because that failed; the kernel may
        then hold it in memory, call it clean, and never write it.
        """
        fd = self._directory.open(segment_name(self._slot, number), os.O_RDWR)
        try:
            data = os.pread(fd, scan.whole - scan.begun, scan.begun)
            os.lseek(fd, scan.begun, os.SEEK_SET)
            write_all(fd, data)
            sync_file(fd)
        finally:
            os.close(fd)

    def _free_name(self, segment: str) -> str:
        taken = set(self._directory.names())
        names = (aside_name(segment, attempt) for attempt in count(1))
        return next(name for name in names if name not in taken)

    def _note_cut(self, number: int, cut: int, kept: str) -> None:
        self.cuts.append({"segment": number, "cut": cut, "kept": kept})
