"""A disk that refuses: nothing is lost, the failure is seen, and writing resumes."""

import asyncio
import errno
import logging
import os
import sys
import threading

import pytest
from tests.audit.disk import Disk
from tests.audit.trail import files, login, numbers, own, python, until

from busway_audit import AuditLogHandler


@pytest.fixture
async def audit(tmp_path):
    """One that has begun its first segment."""
    handler = AuditLogHandler(tmp_path / "audit")
    await handler.handle(login(0))
    await handler.flush()
    yield handler
    await handler.stop()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit"


async def settled(audit):
    """The writer has tried what was due."""
    await until(lambda: audit.health()["error"] or not audit.health()["pending"])


async def test_a_flush_that_was_refused_raises_and_keeps_everything(audit, path):
    """With the path and the remedy; the next flush writes all, in order."""
    await audit.handle(login(1))
    with Disk(errno.ENOSPC).installed(), pytest.raises(OSError, match="kept in memory") as caught:
        await audit.flush()
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path / "audit-000001.jsonl")
    assert audit.health()["pending"] == 1
    await audit.handle(login(2))
    await audit.flush()
    assert numbers(path) == [0, 1, 2]


async def test_a_flush_that_nobody_asked_for_raises_into_no_handler(path):
    """The buffer is full, the disk too: `handle` goes on, and `health` tells."""
    audit = AuditLogHandler(path, buffer_size=2)
    with Disk(errno.ENOSPC, strikes=100).installed():
        for n in range(10):
            await audit.handle(login(n))
        await settled(audit)
        assert "No space left" in audit.health()["error"]
        assert audit.health()["pending"] == 10
    await audit.flush()
    assert audit.health()["error"] == ""
    assert numbers(path) == list(range(10))
    await audit.stop()


async def test_it_tries_again_by_itself(path, monkeypatch):
    """When there is room, nobody has to ask for it."""
    monkeypatch.setattr("busway_audit._writing.due._RETRY", 0.01)
    audit = AuditLogHandler(path, buffer_size=1)
    with Disk(errno.ENOSPC, strikes=3).installed() as disk:
        await audit.handle(login(0))
        await until(lambda: not audit.health()["pending"])
    assert disk.struck == 3
    assert numbers(path) == [0]
    await audit.stop()


async def test_a_part_of_a_batch_is_cut_off(audit, path):
    """Half a write, then none: a reader sees whole batches, those acknowledged."""
    size = (path / "audit-000001.jsonl").stat().st_size
    await audit.handle(login(1))
    with Disk("full").installed(), pytest.raises(OSError):
        await audit.flush()
    assert (path / "audit-000001.jsonl").stat().st_size == size
    assert numbers(path) == [0]
    await audit.flush()
    assert numbers(path) == [0, 1]
    assert len(files(path)) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
async def test_a_write_that_failed_is_done_again_in_place(audit, path, number):
    """Whatever the reason was: the segment is as good as before."""
    await audit.handle(login(1))
    with Disk(number).installed(), pytest.raises(OSError) as caught:
        await audit.flush()
    assert caught.value.errno == number
    await audit.flush()
    assert numbers(path) == [0, 1]
    assert len(files(path)) == 1


async def test_what_cannot_be_cut_off_is_left_behind(audit, path):
    """A new segment takes the batch, and says how much of the one before counts."""
    await audit.handle(login(1))
    with Disk("full", 1, 2, calls=("write", "ftruncate")).installed():
        await audit.flush()
    assert numbers(path) == [0, 1]
    assert own(path, "segment")[1]["because"] == "write failed"
    assert own(path, "segment")[1]["previous_size"] < files(path)[0].stat().st_size


async def test_short_writes_are_continued(path, monkeypatch):
    """A disk that takes seven bytes at a time gets it all."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    audit = AuditLogHandler(path)
    await audit.handle(login(0))
    await audit.stop()
    assert numbers(path) == [0]


async def test_a_disk_that_takes_nothing_is_an_error(audit, path, monkeypatch):
    """Not an endless loop."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: 0)
        await audit.handle(login(1))
        with pytest.raises(OSError, match="took nothing"):
            await audit.flush()
    await audit.flush()
    assert numbers(path) == [0, 1]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
async def test_after_a_failed_sync_a_new_segment_takes_the_batch(audit, path, number, caplog):
    """And says so; the old one is not synced again, and the flush does not fail."""
    await audit.handle(login(1))
    with Disk(number, calls=("fdatasync",)).installed() as disk:
        await audit.flush()
        await audit.handle(login(2))
        await audit.flush()
        await audit.stop()
    assert disk.resynced == 0
    assert numbers(path) == [0, 1, 2]
    assert [one.get("because") for one in own(path, "segment")] == [None, "sync failed"]
    assert "a new segment takes over" in caplog.text


async def test_a_segment_that_could_not_be_begun_leaves_nothing(audit, path):
    """The next flush begins it anew."""
    await audit.handle(login(1))
    with Disk(errno.EIO, 1, 2, calls=("fdatasync", "fsync")).installed(), pytest.raises(OSError):
        await audit.flush()
    assert len(files(path)) == 1
    await audit.flush()
    assert numbers(path) == [0, 1]
    assert len(files(path)) == 2


async def test_what_it_leaves_all_the_same_is_removed_later(audit, path):
    """Before its number is used again."""
    await audit.handle(login(1))
    with (
        Disk(errno.EIO, 1, 4, calls=("fdatasync", "ftruncate", "unlink")).installed(),
        pytest.raises(OSError),
    ):
        await audit.flush()
    assert len(files(path)) == 2
    await audit.flush()
    assert numbers(path) == [0, 1]


async def test_what_another_has_begun_meanwhile_stays(path):
    """It could not begin a segment, and left; one of that name is somebody else's by now."""
    audit, other = AuditLogHandler(path), AuditLogHandler(path)
    await audit.handle(login(1))
    with Disk(errno.ENOSPC).installed(), pytest.raises(OSError):
        await audit.stop()
    await other.handle(login(0))
    await other.stop()
    await audit.stop()
    assert numbers(path) == [0, 1]


async def test_what_is_left_of_a_segment_is_removed_before_the_slot_is(path):
    """The next taker would find a batch that nobody was told of, and it would be there twice."""
    audit = AuditLogHandler(path)
    await audit.handle(login(1))
    with Disk(errno.EIO, 1, 2, calls=("fdatasync", "unlink")).installed(), pytest.raises(OSError):
        await audit.stop()
    assert not files(path)
    await audit.stop()
    assert numbers(path) == [1]


async def test_a_descriptor_is_closed_though_the_slot_was_not_taken(path):
    """However often it is tried: the head is open by then, and the segment cannot be."""
    audit = AuditLogHandler(path, key="5a" * 32)
    await audit.handle(login(0))
    await audit.stop()
    await audit.handle(login(1))
    before = len(os.listdir("/proc/self/fd"))
    with _NoAppending().installed():
        for _ in range(5):
            with pytest.raises(OSError):
                await audit.flush()
    assert len(os.listdir("/proc/self/fd")) == before
    await audit.stop()


class _NoAppending(Disk):
    """No segment can be opened, to be gone on with."""

    def call(self, name, *args, **options):
        if name == "open" and args[1] & os.O_APPEND:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().call(name, *args, **options)

    def _strikes_now(self):
        return False


async def test_a_stop_that_fails_keeps_everything(audit, path):
    """The slot is left all the same; the next event takes it up again."""
    await audit.handle(login(1))
    with Disk(errno.ENOSPC).installed(), pytest.raises(OSError):
        await audit.stop()
    assert audit.health()["slot"] == 0
    assert audit.health()["pending"] == 1
    await audit.stop()
    assert numbers(path) == [0, 1]


async def test_an_end_that_cannot_be_written_loses_nothing(audit, path, caplog):
    """All events are durable: that the record of the end is missing is logged, no more."""
    with Disk(errno.ENOSPC).installed():
        await audit.stop()
    assert numbers(path) == [0]
    assert not own(path, "stopped")
    assert "the end of the trail could not be written" in caplog.text


async def test_failures_in_a_row_are_logged_once(audit, path, caplog):
    """And their end is logged too, without any payload."""
    await audit.handle(login("secret"))
    with Disk(errno.ENOSPC, strikes=3).installed():
        for _ in range(3):
            with pytest.raises(OSError):
                await audit.flush()
    await audit.flush()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert all(record.name == "busway.audit" for record in caplog.records)
    assert "secret" not in caplog.text


async def test_all_who_wait_for_a_flush_that_fails_are_told(audit):
    """Ten of them: one attempt, ten failures that somebody sees."""
    await audit.handle(login(1))
    gate = threading.Event()
    with _Gated(gate).installed() as disk:
        first = asyncio.create_task(audit.flush())
        await asyncio.to_thread(disk.begun.wait, 10)
        others = [asyncio.create_task(audit.flush()) for _ in range(10)]
        await asyncio.sleep(0)
        gate.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(result) for result in results] == [OSError] * 11
    assert disk.struck == 2


class _Gated(Disk):
    """Fails twice; its first failure waits for the gate."""

    def __init__(self, gate):
        super().__init__(errno.ENOSPC, strikes=2)
        self.begun, self._gate = threading.Event(), gate

    def call(self, name, *args, **options):
        if name == "write":
            self.begun.set()
            self._gate.wait(10)
        return super().call(name, *args, **options)


async def test_the_unexpected_does_not_end_the_thread(audit, path, monkeypatch, caplog):
    """Whatever it is: it is told as what the disk says is, with a traceback in the log."""
    await audit.handle(login(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await audit.flush()
    assert "division" in audit.health()["error"]
    assert any(record.exc_info for record in caplog.records)
    await audit.flush()
    assert numbers(path) == [0, 1]


async def test_the_unexpected_does_not_keep_it_from_stopping(path, monkeypatch, caplog):
    """While the end is written: all events are durable, and the next ones are accepted."""
    audit = AuditLogHandler(path)
    await audit.handle(login(0))
    await audit.flush()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: 1 / 0)
        await asyncio.wait_for(audit.stop(), 10)
    assert "the trail was not left in good order" in caplog.text
    await audit.handle(login(1))
    await audit.stop()
    assert numbers(path) == [0, 1]


async def test_a_segment_that_was_deleted_is_replaced(audit, path, caplog):
    """What comes after does not go where nobody can read it, and the hole can be seen."""
    (path / "audit-000001.jsonl").unlink()
    await audit.handle(login(1))
    await audit.flush()
    (after,) = files(path)
    assert after.name == "audit-000002.jsonl"
    assert '"because":"deleted"' in after.read_text()
    assert "audit-000001.jsonl was deleted by another" in caplog.text


async def test_a_segment_that_another_has_written_to_is_left(audit, path, caplog):
    """How much of it counts is told by the next."""
    with (path / "audit-000001.jsonl").open("a") as file:
        file.write("graffiti\n")
    await audit.handle(login(1))
    await audit.flush()
    assert numbers(path) == [0, 1]
    assert own(path, "segment")[1]["because"] == "changed"
    assert "was changed by another" in caplog.text


@pytest.mark.parametrize("meddling", ["deleted", "changed"])
async def test_a_segment_that_was_meddled_with_before_the_end_is_told_of(
    audit, path, meddling, caplog
):
    """No event comes any more: the end is written to a new one, which says so."""
    (segment,) = files(path)
    if meddling == "deleted":
        segment.unlink()
    else:
        segment.write_bytes(segment.read_bytes() + b"graffiti\n")
    await audit.stop()
    header, _, rest = files(path)[-1].read_text().partition("\n")
    assert f'"because":"{meddling}"' in header
    assert '"record":"stopped"' in rest
    assert f"audit-000001.jsonl was {meddling} by another" in caplog.text


async def test_a_directory_that_was_deleted_before_the_end_is_not_made_again(audit, path, caplog):
    """There is nothing to write but the end; that it is gone is logged."""
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    await audit.stop()
    assert not path.exists()
    assert "was deleted by another" in caplog.text


async def test_a_directory_that_was_deleted_is_made_again(audit, path, caplog):
    """With its lock: another writer could have taken the slot."""
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    await audit.handle(login(1))
    await audit.flush()
    assert numbers(path) == [1]
    assert (path / "audit.lock").exists()


FULL = """
import asyncio, resource, signal, sys
from busway.events import Event
from busway_audit import AuditLogHandler

async def main(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    audit = AuditLogHandler(path, buffer_size=1_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, resource.RLIM_INFINITY))
    failed = 0
    for n in range(60):
        await audit.handle(Event("user.login", {"n": n}))
        try:
            await audit.flush()
        except OSError as error:
            failed += 1
            assert error.errno == 27, error
    size = __import__("os").stat(audit.health()["file"]).st_size
    assert size <= 9_000 and failed, (size, failed)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    await audit.stop()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
def test_a_file_at_its_limit_loses_nothing(path):
    """EFBIG from the kernel itself, in the middle of a batch; then there is room again."""
    done = python(FULL, path)
    assert done.returncode == 0, done.stderr
    assert numbers(path) == list(range(60))
