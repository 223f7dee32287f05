"""Whatever stands in a trail's files: reading ends, raises nothing unforeseen, forges nothing.

The input is a list of edits on a small trail of two segments. An edit that is to be sealed gives
its line the seq, the links and the hash that it should have: so the fuzzer comes past the hashes.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from busway.events import Event
from busway_audit import AuditLogHandler, Finding, TrailError, verify
from busway_audit._reading.events import Wanted, events_of
from busway_audit._reading.tail import tail
from busway_audit._reading.trail import slots_of

__all__ = ["check"]

MEMORY = Path("/dev/shm")
MOST_EDITS = 8


def check(data: bytes) -> None:
    """Edit a trail, read it in every way, and let a writer go on with it."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder:
        path = Path(folder) / "audit"
        path.mkdir(mode=0o700)
        for name, content in _edited(data).items():
            (path / name).write_bytes(content)
        _read(path)
        asyncio.run(_go_on(path))
        _read(path)


def _read(path: Path) -> None:
    findings: list[Finding] = []
    told: list[Finding] = []
    with suppress(TrailError):
        found = verify(path, findings.append)
        assert found.tampered + found.torn == len(findings)
        entries = list(events_of(slots_of(path), {}, told.append))
        assert len(entries) <= sum(
            content.count(b"\n") for content in (one.read_bytes() for one in path.glob("*.jsonl"))
        )
        if found.whole:
            assert len(entries) == found.events
        shown, follow = tail(path, Wanted(), 10, {}, told.append)
        assert len(list(shown)) <= 10
        list(follow.poll())


async def _go_on(path: Path) -> None:
    """Whatever is there, a writer takes it up, or refuses: what it acknowledges is there."""
    audit = AuditLogHandler(path)
    event = Event("user.login", {"n": "after"})
    await audit.handle(event)
    try:
        await audit.flush()
    except PermissionError:  # a later version has written it
        return
    await audit.stop()
    assert any(event.id.encode() in file.read_bytes() for file in path.glob("*.jsonl"))


def _edited(data: bytes) -> dict[str, bytes]:
    files = {name: list(lines) for name, lines in _TRAIL.items()}
    names = list(files)
    for edit in data.split(b"\xff")[:MOST_EDITS]:
        if len(edit) < 4:
            continue
        lines = files[names[edit[0] % len(names)]]
        place = edit[1] % (len(lines) + 1)
        kind, rest = edit[2] % 6, edit[3:]
        if kind == 0 and place < len(lines):  # another line in its place
            lines[place] = rest
        elif kind == 1:
            lines.insert(place, rest + b"\n")
        elif kind == 2:
            del lines[place : place + 1 + rest[0] % 4]
        elif kind == 3 and place < len(lines):  # bytes within it
            line, at = lines[place], rest[0] * len(lines[place]) // 256
            lines[place] = line[:at] + rest[1:] + line[at + len(rest) :]
        elif kind == 4 and place < len(lines):
            lines[place] = lines[place][: rest[0] * len(lines[place]) // 256]
        elif kind == 5:  # a line that is sealed as it should be
            lines.insert(place, b"\0" + rest)
    return {name: b"".join(_sealed(lines)) for name, lines in files.items()}


def _sealed(lines: list[bytes]) -> Iterator[bytes]:
    prev, log = b"0" * 64, b""
    for seq, line in enumerate(lines, start=1):
        whole = _seal(seq, line[1:], prev, log) if line.startswith(b"\0") else line
        prev = whole[-67:-3]
        log = log or whole.partition(b'"log":"')[2][:32]
        yield whole


def _seal(seq: int, fields: bytes, prev: bytes, log: bytes) -> bytes:
    before = b'{"seq":%d,"recorded_at":"2026-01-01T00:00:00Z",%s,"prev":"%s"' % (seq, fields, prev)
    digest = hashlib.sha256(b"busway-audit-1\0" + log + b"\0" + before).hexdigest()
    return before + b',"hash":"%s"}\n' % digest.encode()


def _trail() -> dict[str, list[bytes]]:
    """Three batches in two files."""

    async def write(path: Path) -> None:
        audit = AuditLogHandler(path, rotate_bytes=1_500)
        for n in range(3):
            await audit.handle(Event("user.login", {"n": n}))
            await audit.flush()
        await audit.stop()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit"
        asyncio.run(write(path))
        return {
            file.name: file.read_bytes().splitlines(keepends=True)
            for file in sorted(path.glob("*.jsonl"))
        }


logging.getLogger("busway.audit").addHandler(logging.NullHandler())
logging.getLogger("busway.audit").propagate = False
_TRAIL = _trail()
