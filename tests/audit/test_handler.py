"""The handler's contract: what is on disk, when, and in which order."""

import asyncio
import doctest
import errno
import os
import stat
import threading
from pathlib import Path
from typing import get_type_hints

import pytest
from tests.audit.trail import files, login, numbers, records

from busway.events import Event
from busway.handlers import ANY
from busway_audit import AuditLogHandler, handler


@pytest.fixture
async def audit(tmp_path):
    handler = AuditLogHandler(tmp_path / "audit")
    yield handler
    await handler.stop()


def test_the_doctest_holds(monkeypatch, tmp_path):
    """The example in the docstring is true."""
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(handler).failed == 0
    assert doctest.testmod(handler).attempted > 0


def test_it_wants_every_type():
    """Plugin types too."""
    assert list(AuditLogHandler().event_types) == [ANY]


def test_its_settings_can_be_read():
    """`load_plugins` checks settings against these."""
    hints = get_type_hints(AuditLogHandler.__init__)
    assert hints["buffer_size"] is int
    assert hints["path"] == str | Path


@pytest.mark.parametrize("size", [0, -1])
def test_a_buffer_size_below_one_is_refused(size):
    """The message names the setting."""
    with pytest.raises(ValueError, match="buffer_size"):
        AuditLogHandler(buffer_size=size)


@pytest.mark.parametrize("size", [True, 1.0, "100", None])
def test_a_buffer_size_that_is_no_int_is_refused(size):
    """A bool is no int here."""
    with pytest.raises(TypeError, match="buffer_size"):
        AuditLogHandler(buffer_size=size)


@pytest.mark.parametrize("path", [None, 5, b"audit"])
def test_a_path_that_is_none_is_refused(path):
    """The message names the setting."""
    with pytest.raises(TypeError, match="path"):
        AuditLogHandler(path)


async def test_nothing_is_created_before_the_first_flush(tmp_path):
    """Neither by the constructor nor by `stop` with nothing to write."""
    audit = AuditLogHandler(tmp_path / "audit")
    await audit.stop()
    assert not files(tmp_path / "audit")


async def test_a_line_is_the_events_dict(audit, tmp_path):
    """The fields inline, in the order of `to_dict`, and nothing else."""
    event = Event(
        "user.login",
        {"b": 1, "a": [2.5, None, True, "é"]},
        source="web",
        correlation_id="c",
        causation_id="d",
        metadata={"traceparent": "00"},
    )
    await audit.handle(event)
    await audit.flush()
    (record,) = records(tmp_path / "audit")
    assert record == event.to_dict()
    assert list(record) == list(event.to_dict())
    assert Event.from_dict(record) == event


async def test_the_hundredth_event_brings_all_to_the_disk(audit, tmp_path):
    """99 accepted: nothing written; 100: all of them, when `handle` returns."""
    for n in range(99):
        await audit.handle(login(n))
    assert not (tmp_path / "audit").exists()
    await audit.handle(login(99))
    assert numbers(tmp_path / "audit") == list(range(100))


async def test_a_smaller_buffer_is_written_earlier(tmp_path):
    """`buffer_size=3` writes at 3, and again at 6."""
    audit = AuditLogHandler(tmp_path, buffer_size=3)
    written = []
    for n in range(7):
        await audit.handle(login(n))
        written.append(len(records(tmp_path)))
    assert written == [0, 0, 3, 3, 3, 6, 6]
    await audit.stop()


async def test_flush_writes_what_there_is(audit, tmp_path):
    """One event is enough."""
    await audit.handle(login(1))
    await audit.flush()
    assert numbers(tmp_path / "audit") == [1]


async def test_flush_syncs_before_it_returns(audit, monkeypatch):
    """After the bytes are written."""
    calls = []
    write, sync = os.write, os.fdatasync
    monkeypatch.setattr(os, "write", lambda *a: (calls.append("write"), write(*a))[1])
    monkeypatch.setattr(os, "fdatasync", lambda *a: (calls.append("sync"), sync(*a))[1])
    await audit.handle(login())
    await audit.flush()
    assert calls == ["write", "sync"]


async def test_stop_writes_the_rest(audit, tmp_path):
    """And twice is no error."""
    await audit.handle(login(1))
    await audit.stop()
    await audit.stop()
    assert numbers(tmp_path / "audit") == [1]


async def test_stop_ends_the_thread_and_closes_the_file(tmp_path):
    """Nothing of the handler is left but its file."""
    audit = AuditLogHandler(tmp_path / "audit")
    await audit.handle(login(1))
    await audit.flush()
    (thread,) = _writers()
    assert audit.health()["file"] in _open_files()
    await audit.stop()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
    assert audit.health()["file"] not in _open_files()


async def test_it_goes_on_after_stop(audit, tmp_path):
    """In a new file; nothing is lost."""
    await audit.handle(login(1))
    await audit.stop()
    await audit.handle(login(2))
    await audit.stop()
    assert numbers(tmp_path / "audit") == [1, 2]
    assert len(files(tmp_path / "audit")) == 2


async def test_a_later_change_does_not_alter_the_record(audit, tmp_path):
    """The line is made when the event is accepted."""
    payload = {"n": ["as it was"]}
    await audit.handle(Event("user.login", payload))
    payload["n"].append("changed")
    await audit.flush()
    assert numbers(tmp_path / "audit") == [["as it was"]]


async def test_events_published_at_once_are_all_written_in_order(audit, tmp_path):
    """A thousand concurrent handles: flushes overlap, order holds."""
    await asyncio.gather(*(audit.handle(login(n)) for n in range(1_000)))
    await audit.flush()
    assert numbers(tmp_path / "audit") == list(range(1_000))


def test_several_loops_in_several_threads_lose_nothing(tmp_path):
    """Eight loops on one handler; each one's events stand in its own order."""
    audit = AuditLogHandler(tmp_path, buffer_size=7)

    async def publish(who):
        for n in range(200):
            await audit.handle(login([who, n]))

    threads = [threading.Thread(target=asyncio.run, args=(publish(who),)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(audit.stop())
    written = numbers(tmp_path)
    assert len(written) == 1_600
    for who in range(8):
        assert [n for by, n in written if by == who] == list(range(200))


def test_it_survives_its_loop(tmp_path):
    """`asyncio.run` twice in one process, no `stop` between."""
    audit = AuditLogHandler(tmp_path, buffer_size=2)
    for n in range(3):
        asyncio.run(audit.handle(login(n)))
    asyncio.run(audit.stop())
    assert numbers(tmp_path) == [0, 1, 2]


async def test_the_loop_runs_while_the_disk_works(audit, monkeypatch, tmp_path):
    """A sync that does not return holds up nobody but those who wait for it."""
    release, begun = threading.Event(), threading.Event()
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (begun.set(), release.wait(10), sync(fd)))
    await audit.handle(login(1))
    flush = asyncio.create_task(audit.flush())
    await asyncio.to_thread(begun.wait, 10)
    await asyncio.wait_for(audit.handle(login(2)), 5)
    assert audit.health()["pending"] == 2
    assert not flush.done()
    release.set()
    await flush
    await audit.flush()
    assert numbers(tmp_path / "audit") == [1, 2]


async def test_a_cancelled_flush_is_carried_through(audit, monkeypatch, tmp_path):
    """Whoever waits is cancelled at once; the write goes on."""
    release, begun = threading.Event(), threading.Event()
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (begun.set(), release.wait(10), sync(fd)))
    await audit.handle(login(1))
    flush = asyncio.create_task(audit.flush())
    await asyncio.to_thread(begun.wait, 10)
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    release.set()
    await audit.flush()
    assert numbers(tmp_path / "audit") == [1]


async def test_a_cancelled_handle_loses_nothing(monkeypatch, tmp_path):
    """Neither its own event nor those that waited with it, cancelled before the thread began."""
    audit = AuditLogHandler(tmp_path, buffer_size=2)
    await audit.handle(login(1))
    second = asyncio.create_task(audit.handle(login(2)))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await audit.handle(login(3))
    await audit.stop()
    assert numbers(tmp_path) == [1, 2, 3]


def test_a_loop_that_closes_during_a_write_disturbs_nothing(monkeypatch, tmp_path, caplog):
    """The job ends after its loop: nothing is logged, and the record is there."""
    release = threading.Event()
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (release.wait(10), sync(fd)))
    audit = AuditLogHandler(tmp_path, buffer_size=1)

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(audit.handle(login(1)), 0.01)

    asyncio.run(give_up())
    release.set()
    asyncio.run(audit.stop())
    assert numbers(tmp_path) == [1]
    assert not caplog.records


async def test_files_and_directories_are_their_owners_alone(tmp_path):
    """Even with an umask of 0; the parents too."""
    before = os.umask(0)
    try:
        audit = AuditLogHandler(tmp_path / "logs" / "audit", buffer_size=1)
        await audit.handle(login())
        await audit.stop()
    finally:
        os.umask(before)
    (file,) = files(tmp_path / "logs" / "audit")
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (file, file.parent, file.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


async def test_two_handlers_on_one_path_never_share_a_file(tmp_path):
    """Nor do ten, in the same second."""
    audits = [AuditLogHandler(tmp_path, buffer_size=1) for _ in range(10)]
    await asyncio.gather(*(audit.handle(login(n)) for n, audit in enumerate(audits)))
    assert len(files(tmp_path)) == 10
    assert len({audit.health()["file"] for audit in audits}) == 10
    assert sorted(numbers(tmp_path)) == list(range(10))
    for audit in audits:
        await audit.stop()


async def test_a_symlink_in_the_files_place_is_not_followed(tmp_path, monkeypatch):
    """A name that is taken, by whatever, is left alone; the next number is tried."""
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    place = tmp_path / "audit"
    place.mkdir()
    audit = AuditLogHandler(place, buffer_size=1)
    await audit.handle(login(1))
    taken = Path(audit.health()["file"])
    await audit.stop()
    taken.rename(tmp_path / "kept.jsonl")
    for minute in range(2):  # whichever second it is by now, the clock of the file name stands
        taken.with_name(taken.name.replace("-0001.", f"-000{minute + 1}.")).symlink_to(victim)
    monkeypatch.setattr("busway_audit._file.datetime", _Stopped(taken.name[6:22]))
    await audit.handle(login(2))
    await audit.stop()
    assert victim.read_text() == "precious\n"
    assert audit.health()["file"].endswith("-0003.jsonl")


class _Stopped:
    def __init__(self, stamp):
        self.stamp = stamp

    def now(self, _zone):
        return self

    def strftime(self, _format):
        return self.stamp


async def test_a_relative_path_is_that_of_the_construction(tmp_path, monkeypatch):
    """A later `chdir` moves nothing."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    audit = AuditLogHandler("audit", buffer_size=1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    await audit.handle(login(1))
    await audit.stop()
    assert numbers(tmp_path / "audit") == [1]


async def test_a_path_that_is_a_file_is_named_with_the_remedy(tmp_path):
    """And the events wait until it is mended."""
    blocked = tmp_path / "audit"
    blocked.write_text("in the way")
    audit = AuditLogHandler(blocked, buffer_size=1)
    with pytest.raises(NotADirectoryError, match=r"`path`.*audit") as caught:
        await audit.handle(login(1))
    assert caught.value.errno == errno.ENOTDIR
    assert caught.value.filename == str(blocked)
    blocked.unlink()
    await audit.stop()
    assert numbers(blocked) == [1]


async def test_a_file_that_was_deleted_is_replaced(audit, tmp_path, caplog):
    """What comes after does not go into a file that nobody can read."""
    await audit.handle(login(1))
    await audit.flush()
    Path(audit.health()["file"]).unlink()
    await audit.handle(login(2))
    await audit.flush()
    assert numbers(tmp_path / "audit") == [2]
    assert "deleted" in caplog.text


async def test_health_counts(audit):
    """Accepted, pending, flushed; the file once there is one."""
    assert audit.health() == {"accepted": 0, "pending": 0, "flushed": 0, "file": "", "error": ""}
    await audit.handle(login())
    before = audit.health()
    assert (before["accepted"], before["pending"], before["flushed"]) == (1, 1, 0)
    await audit.flush()
    after = audit.health()
    assert (after["accepted"], after["pending"], after["flushed"]) == (1, 0, 1)
    assert Path(after["file"]).exists()


def _writers():
    return [each for each in threading.enumerate() if each.name.startswith("busway-audit")]


def _open_files():
    open_files = set()
    for fd in Path("/proc/self/fd").iterdir():
        try:
            open_files.add(os.readlink(fd))
        except FileNotFoundError:  # the listing's own
            continue
    return open_files


async def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    """In a setting no shell has expanded it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    handler = AuditLogHandler(path="~/trail", buffer_size=1)
    await handler.handle(Event("user.login"))
    await handler.stop()
    assert len(list((tmp_path / "trail").glob("*.jsonl"))) == 1
