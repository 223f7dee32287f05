"""A disk that fails on demand, and remembers what it was asked: a layer below `os`."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["CALLS", "CHANGING", "Disk"]

CHANGING = ("mkdir", "open", "write", "ftruncate", "fdatasync", "fsync", "rename", "unlink")
"""The calls that change something."""

CALLS = (*CHANGING, "listdir", "stat", "fstat", "lseek", "pread", "read", "close")

_REAL = {name: getattr(os, name) for name in CALLS}


class Disk:
    """System calls of the audit trail's threads; those of others are let through.

    Args:
        fault: what happens instead: an errno; or `short`: half of a write is done; or `full`: half
            of it, and then it fails for want of space.
        position: which of the calls that can fail is the first to do so, from 1.
        strikes: how many in a row do.
        calls: which calls can fail.
        threads: in which threads, by the beginning of their names.

    Attributes:
        made: how many of the calls that can fail were made.
        struck: how many did.
        resynced: how often a descriptor was synced after its sync had failed.
    """

    def __init__(
        self,
        fault: int | str = errno.ENOSPC,
        position: int = 1,
        strikes: int = 1,
        *,
        calls: tuple[str, ...] = ("write",),
        threads: str = "busway-audit",
    ) -> None:
        self.fault = fault
        self.position = position
        self.strikes = strikes
        self.made = self.struck = self.resynced = 0
        self._calls = calls
        self._threads = threads
        self._spoiled: set[int] = set()

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        """One call: through to the kernel, or not."""
        if name in ("fdatasync", "fsync"):
            self.resynced += args[0] in self._spoiled
        if name == "close":
            self._spoiled.discard(args[0])
        if name not in self._calls or not self._strikes_now():
            return _REAL[name](*args, **options)
        if name == "write" and isinstance(self.fault, str):
            written = _REAL[name](args[0], args[1][: len(args[1]) // 2])
            if self.fault == "short":
                return written
        if name in ("fdatasync", "fsync"):
            self._spoiled.add(args[0])
        if name == "close":
            _REAL[name](*args, **options)
        number = errno.ENOSPC if isinstance(self.fault, str) else self.fault
        raise OSError(number, f"{os.strerror(number)}, says the test")

    def _strikes_now(self) -> bool:
        self.made += 1
        now = self.position <= self.made < self.position + self.strikes
        self.struck += now
        return now

    @contextmanager
    def installed(self) -> Iterator[Disk]:
        """While this is entered, `os` is this."""
        for name in CALLS:
            setattr(os, name, self._guarded(name))
        try:
            yield self
        finally:
            for name, real in _REAL.items():
                setattr(os, name, real)

    def _guarded(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if threading.current_thread().name.startswith(self._threads):
                return self.call(name, *args, **options)
            return _REAL[name](*args, **options)

        return call
