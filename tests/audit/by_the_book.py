"""The format of a trail, written a second time, from its description and by the standard library.

What the reader is tested against: it shares no line with the writer, and can write what the
writer never would.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

__all__ = ["KEY", "Book", "lines"]

KEY = bytes(range(32))
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Book:
    """One writer's chain.

    Args:
        directory: where its segments are.
        slot: which writer it is.
        key: seals it, and keeps a head file.
        log: the id of the log.
        began: when its first line is recorded; each is a second after the one before.
    """

    def __init__(
        self,
        directory: Path,
        *,
        slot: int = 1,
        key: bytes | None = None,
        log: str = "",
        began: datetime = BEGAN,
    ) -> None:
        directory.mkdir(exist_ok=True)
        self.stem = "audit" if slot == 1 else f"audit-w{slot}"
        self.directory, self.slot, self.key = directory, slot, key
        self.log = log or f"{slot:032x}"
        self.now = began
        self.seq = self.number = self.first = self.events = self.counted = 0
        self.prev = "0" * 64
        self.committed = (0, self.prev)

    @property
    def path(self) -> Path:
        """The newest segment."""
        return self.directory / f"{self.stem}-{self.number:06}.jsonl"

    @property
    def head_path(self) -> Path:
        return self.directory / f"{self.stem}.head"

    def line(self, fields: dict[str, Any]) -> bytes:
        """The next line, which is not written."""
        self.seq += 1
        stamp = {"seq": self.seq, "recorded_at": self.now.isoformat().replace("+00:00", "Z")}
        self.now += timedelta(seconds=1)
        made = json.dumps({**stamp, **fields, "prev": self.prev}, separators=(",", ":"))
        before = made.encode()[:-1]
        self.prev = digest(self.log, before, self.key)
        return before + b',"hash":"' + self.prev.encode() + b'"}\n'

    def write(self, fields: dict[str, Any]) -> bytes:
        line = self.line(fields)
        self.append(line)
        return line

    def append(self, data: bytes) -> None:
        """Whatever it is, at the newest segment's end."""
        with self.path.open("ab") as file:
            file.write(data)

    def segment(self, because: str = "rotated", **changes: Any) -> None:
        """Begin a segment; what was not committed does not count."""
        self.seq, self.prev = self.committed
        self.first, self.events = self.seq + 1, 0
        self.number += 1
        seal = {"seal": "sha256"}
        if self.key is not None:
            seal = {"seal": "hmac-sha256", "key_id": key_id(self.key)}
        fields = {
            "record": "segment",
            "version": 1,
            "log": self.log,
            "slot": self.slot,
            "segment": self.number,
            **seal,
            "previous_size": self.counted,
            **({"because": because} if self.number > 1 else {}),
        }
        self.write({**fields, **changes})

    def event(self, type_: str = "user.login", **changes: Any) -> bytes:
        """An event; in the first segment unless there is one."""
        if not self.number:
            self.segment()
        self.events += 1
        fields = {
            "id": f"id-{self.slot}-{self.seq + 1}",
            "type": type_,
            "payload": {"n": self.seq + 1},
            "timestamp": self.now.isoformat(),
            "source": "",
            "correlation_id": None,
            "causation_id": None,
            "metadata": {},
        }
        return self.write({**fields, **changes})

    def own(self, record: str, **fields: Any) -> bytes:
        if not self.number:
            self.segment()
        return self.write({"record": record, **fields})

    def commit(self, **changes: Any) -> bytes:
        fields = {"record": "commit", "first": self.first, "events": self.events}
        line = self.write({**fields, **changes})
        self.first, self.events = self.seq + 1, 0
        self.committed = (self.seq, self.prev)
        self.counted = self.path.stat().st_size
        if self.key is not None:
            self.head()
        return line

    def batch(self, count: int = 1, **changes: Any) -> None:
        for _ in range(count):
            self.event(**changes)
        self.commit()

    def rotate(self, because: str = "rotated", **changes: Any) -> None:
        """Begin a segment as the writer does when one is full; with another `key`, if given."""
        self.own("rotated", because="size")
        self.commit()
        self.key = changes.get("key", self.key)
        self.segment(because)

    def head(self, **changes: Any) -> None:
        """Write the head file."""
        fields = {"log": self.log, "segment": self.number, "seq": self.seq, "hash": self.prev}
        fields |= changes
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        signed = hmac.digest(self.key or b"", b"busway-audit-head-1\0" + text.encode(), "sha256")
        made = json.dumps({**fields, "hmac": signed.hex()}, separators=(",", ":"))
        self.head_path.write_bytes(made.encode().ljust(511) + b"\n")


def digest(log: str, before: bytes, key: bytes | None) -> str:
    data = b"busway-audit-1\0" + log.encode() + b"\0" + before
    if key is None:
        return hashlib.sha256(data).hexdigest()
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def key_id(key: bytes) -> str:
    return hashlib.sha256(b"busway-audit-key-1\0" + key).hexdigest()[:16]


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)
