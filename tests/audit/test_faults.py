"""A disk that refuses: nothing is lost, the failure is seen, and writing resumes."""

import asyncio
import errno
import logging
import os
import sys
import threading

import pytest
from tests.audit.trail import files, login, numbers, python
from tests.proofs.audit_faults import Disk

from busway_audit import AuditLogHandler


async def test_a_refused_flush_is_seen_and_keeps_everything(tmp_path):
    """`handle` raises what the disk said; the next flush writes all, in order."""
    audit = AuditLogHandler(tmp_path, buffer_size=2)
    await audit.handle(login(0))
    with Disk("write", 1, 1).installed():
        with pytest.raises(OSError, match="kept in memory") as caught:
            await audit.handle(login(1))
        assert caught.value.errno == errno.ENOSPC
        assert audit.health()["pending"] == 2
        await audit.handle(login(2))
    assert numbers(tmp_path) == [0, 1, 2]
    await audit.stop()


async def test_the_error_is_told_while_it_stands(tmp_path):
    """In `health()`, and no longer once the disk accepts again."""
    audit = AuditLogHandler(tmp_path, buffer_size=1)
    with Disk("sync", 1, 1).installed():
        with pytest.raises(OSError):
            await audit.handle(login(0))
        assert "no sync" in audit.health()["error"]
        await audit.flush()
    assert audit.health()["error"] == ""
    await audit.stop()


async def test_a_part_of_a_batch_is_cut_off(tmp_path):
    """A short write, then none: a reader sees whole lines, those acknowledged."""
    audit = AuditLogHandler(tmp_path, buffer_size=1)
    await audit.handle(login(0))
    with Disk("short", 1, 1).installed(), pytest.raises(OSError):
        await audit.handle(login(1))
    assert numbers(tmp_path) == [0]
    await audit.stop()
    assert numbers(tmp_path) == [0, 1]


async def test_short_writes_are_continued(tmp_path, monkeypatch):
    """A disk that takes seven bytes at a time gets it all."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(0))
    await audit.stop()
    assert numbers(tmp_path) == [0]


async def test_a_disk_that_takes_nothing_is_an_error(tmp_path, monkeypatch):
    """Not an endless loop."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: 0)
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(0))
    with pytest.raises(OSError, match="took nothing"):
        await audit.flush()
    monkeypatch.setattr(os, "write", write)
    await audit.stop()
    assert numbers(tmp_path) == [0]


async def test_a_stop_that_fails_keeps_everything(tmp_path):
    """The file is closed all the same; the next flush opens another."""
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(0))
    await audit.flush()
    await audit.handle(login(1))
    with Disk("sync", 1, 1).installed(), pytest.raises(OSError):
        await audit.stop()
    await audit.stop()
    assert numbers(tmp_path) == [0, 1]
    assert len(files(tmp_path)) == 2


async def test_a_failure_that_nobody_waited_for_is_logged_once(tmp_path, caplog):
    """However often it comes back; and its end is logged too, without any payload."""
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login("secret"))
    with Disk("write", 1, 3).installed():
        for _ in range(3):
            with pytest.raises(OSError):
                await audit.flush()
    await audit.stop()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert all(record.name == "busway.audit" for record in caplog.records)
    assert "secret" not in caplog.text


async def test_a_part_that_could_not_be_cut_off_is_cut_off_later(tmp_path):
    """Before anything is written behind it."""
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(0))
    with Disk("cut", 1, 1).installed(), pytest.raises(OSError):
        await audit.flush()
    (file,) = files(tmp_path)
    assert file.stat().st_size > 0
    await audit.stop()
    assert numbers(tmp_path) == [0]


async def test_a_file_whose_name_could_not_be_made_durable_is_not_left(tmp_path):
    """The next flush makes another."""
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(0))
    with Disk("directory", 1, 1).installed(), pytest.raises(OSError):
        await audit.flush()
    assert not files(tmp_path)
    await audit.stop()
    assert numbers(tmp_path) == [0]


class _Gated(Disk):
    """Fails at the second write; its syncs wait for the gate."""

    def __init__(self):
        super().__init__("write", 2, 100)
        self.begun, self.gate = threading.Event(), threading.Event()

    def sync(self, fd):
        self.begun.set()
        self.gate.wait(10)
        super().sync(fd)


async def test_all_who_wait_for_a_flush_that_fails_are_told(tmp_path):
    """Ten handles at once on a full buffer: one write, ten visible failures, ten records."""
    audit = AuditLogHandler(tmp_path, buffer_size=1)
    disk = _Gated()
    with disk.installed():
        first = asyncio.create_task(audit.handle(login(0)))
        await asyncio.to_thread(disk.begun.wait, 10)
        others = [asyncio.create_task(audit.handle(login(n))) for n in range(1, 11)]
        await asyncio.sleep(0)
        disk.gate.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
    assert results[0] is None
    assert all(isinstance(result, OSError) for result in results[1:])
    assert disk.struck == 1
    await audit.stop()
    assert numbers(tmp_path) == list(range(11))


FULL = """
import asyncio, resource, signal, sys
from busway.events import Event
from busway_audit import AuditLogHandler

async def main(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    audit = AuditLogHandler(path, buffer_size=10)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
    failed = 0
    for n in range(60):
        try:
            await audit.handle(Event("user.login", {"n": n}))
        except OSError as error:
            failed += 1
            assert error.errno == 27, error
    size = __import__("os").stat(audit.health()["file"]).st_size
    assert size <= 5_000 and failed, (size, failed)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    await audit.stop()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
def test_a_file_at_its_limit_loses_nothing(tmp_path):
    """EFBIG from the kernel itself, in the middle of a batch; then there is room again."""
    done = python(FULL, tmp_path)
    assert done.returncode == 0, done.stderr
    assert numbers(tmp_path) == list(range(60))
