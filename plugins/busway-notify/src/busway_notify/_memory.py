"""The memory of the rules, kept in a file, so that it survives a restart."""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Memory", "Remembered"]

_log = logging.getLogger("busway.notify")

_VERSION: Final = 1
_INTERVAL: Final = 60.0
"""Seconds between two saves, while events come."""


class Remembered(Protocol):
    """What can be kept: `RecentKeys` of any entry."""

    def state(self) -> list[list[object]]:
        """What JSON can keep of it."""

    def restore(self, state: Iterable[Sequence[object]]) -> Callable[[], None]:
        """Read what `state` gave, or raise; to be called to take it up."""


class Memory:
    """Loads what rules remember, and saves it: every minute, in a thread, and when it is closed.

    A file that cannot be understood is set aside, and the rules begin with nothing: a broken file
    never stops an application. It is replaced as a whole, so that a crash leaves the old or the
    new one; and it holds digests of addresses and users, none of them in the clear.

    Args:
        path: of the file; None for none, and then this does nothing.
        keys: what is remembered, by a name for each.
    """

    def __init__(self, path: Path | None, keys: Mapping[str, Remembered]) -> None:
        self._path = path
        self._keys = keys
        self._lock = Lock()
        self._writing = Lock()
        self._saved = time.monotonic()
        self._is_saving = False
        self._process = os.getpid()  # a forked child leaves the file to its parent
        if self._path is not None:
            self._load(self._path)

    def touch(self) -> None:
        """Something has changed: save it if that is due, without waiting for it."""
        if self._path is None or os.getpid() != self._process:
            return
        if time.monotonic() - self._saved < _INTERVAL:
            return
        with self._lock:
            if self._is_saving or time.monotonic() - self._saved < _INTERVAL:
                return
            self._is_saving = True
        try:
            Thread(target=self.save, name="busway-notify-memory").start()
        except RuntimeError:  # the process ends
            self._is_saving = False

    def save(self) -> None:
        """Save it now; a disk that refuses is logged."""
        if self._path is None or os.getpid() != self._process:
            return
        try:
            with self._writing:  # `stop` may come while the thread is at it
                kept = {name: keys.state() for name, keys in self._keys.items()}
                text = json.dumps({"version": _VERSION, "keys": kept}, separators=(",", ":"))
                _replace(self._path, text.encode())
        except OSError as error:
            _log.error("what was detected could not be saved to %s: %s", self._path, error)
        finally:
            self._saved = time.monotonic()
            self._is_saving = False

    def _load(self, path: Path) -> None:
        try:
            read = json.loads(path.read_bytes())
            if read["version"] != _VERSION:
                raise ValueError(f"version {read['version']!r}")  # noqa: TRY301 - as all that is wrong
            kept = read["keys"]
            for take_up in [keys.restore(kept.get(name, [])) for name, keys in self._keys.items()]:
                take_up()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.error("what was detected could not be read from %s: %s", path, error)
        except Exception as error:  # noqa: BLE001 - whatever stands in it
            what = type(error).__name__
            _log.error("%s is not understood, and set aside: %s", path, what)
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.broken"))


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
