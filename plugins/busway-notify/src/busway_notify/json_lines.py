"""The channel `jsonl:PATH`: a JSON object a line, whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from busway_notify.notification import Notification

__all__ = ["JsonLinesChannel", "append_line", "json_object"]

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


class JsonLinesChannel:
    """`jsonl:PATH`: one JSON object a line, appended to a file that only its owner can read.

    The file is opened for each line, so it may be rotated at any time; it and its folders are
    made when the first line comes.

    Args:
        path: of the file; `~` is the home directory, and a relative one is meant from where the
            process is now.
    """

    addresses_people: Final = False

    def __init__(self, path: str | Path) -> None:
        self.name: str = f"jsonl:{path}"
        self._path = Path(path).expanduser().absolute()
        self._lock = Lock()

    async def send(self, notification: Notification) -> None:
        """Append it.

        Raises:
            OSError: if it could not be written whole; nothing of it is in the file then.
        """
        line = json.dumps(json_object(notification)).encode() + b"\n"
        with self._lock:
            append_line(self._path, line)


def json_object(notification: Notification) -> dict[str, str]:
    """What a line tells of a notification."""
    return {
        "kind": notification.kind,
        "key": notification.key,
        "recipient": notification.recipient,
        "subject": notification.subject,
        "body": notification.body,
        "event_id": notification.event_id,
        "timestamp": notification.timestamp.isoformat(),
    }


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a private file, which is made if it is missing, its folders too.

    Raises:
        OSError: if it could not be written whole; nothing of it is in the file then.
    """
    # One write to a file opened for appending: other processes may write to it, too.
    descriptor = _open(path)
    try:
        _write(descriptor, line)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o600)


def _write(descriptor: int, line: bytes) -> None:
    written = os.write(descriptor, line)
    if written == len(line):
        return
    end = os.lseek(descriptor, 0, os.SEEK_CUR)
    # If another process has appended since, to cut the file would cost its line. It has hardly
    # had the room: writes are short when the disk is full.
    if end == os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, end - written)
    raise OSError(f"only {written} of {len(line)} bytes could be written: is the disk full?")
