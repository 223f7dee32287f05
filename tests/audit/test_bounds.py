"""The buffer's bounds: what becomes of events that come faster than the disk takes them."""

import asyncio
import errno
import os
import threading

import pytest
from tests.audit.disk import Disk
from tests.audit.trail import chain, login, numbers, own, until

from busway.events import Event
from busway_audit import AuditLogHandler, BufferFullError
from busway_audit._accepting.buffer import Accepted


@pytest.fixture
def held(monkeypatch):
    """The disk takes its time: each sync waits until this is set."""
    released = threading.Event()
    released.begun = threading.Event()
    sync = os.fdatasync

    def slow(fd):
        released.begun.set()
        released.wait(10)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    yield released
    released.set()


async def fill(audit, count):
    for n in range(count):
        await audit.handle(login(n))


async def test_at_the_bound_handle_waits(tmp_path, held):
    """And goes on when there is room; the loop runs all the while."""
    audit = AuditLogHandler(tmp_path, buffer_size=3, max_pending=5)
    await fill(audit, 5)
    sixth = asyncio.create_task(audit.handle(login(5)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not sixth.done()
    assert audit.health()["accepted"] == 5
    held.set()
    await sixth
    await audit.stop()
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5]


async def test_a_publisher_that_gives_up_waiting_is_not_recorded(tmp_path, held):
    """Its event was not accepted; those of others are."""
    audit = AuditLogHandler(tmp_path, buffer_size=1, max_pending=2)
    await fill(audit, 2)
    given_up = asyncio.create_task(audit.handle(login("given up")))
    patient = asyncio.create_task(audit.handle(login("patient")))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    held.set()
    await patient
    await audit.stop()
    assert numbers(tmp_path) == [0, 1, "patient"]


async def test_many_who_wait_are_all_let_in(tmp_path):
    """A thousand at a bound of ten; in their order."""
    audit = AuditLogHandler(tmp_path, buffer_size=4, max_pending=10)
    await asyncio.gather(*(audit.handle(login(n)) for n in range(1_000)))
    await audit.stop()
    assert numbers(tmp_path) == list(range(1_000))


def test_they_may_wait_in_several_loops(tmp_path):
    """Each of them is woken in its own."""
    audit = AuditLogHandler(tmp_path, buffer_size=2, max_pending=2)
    threads = [threading.Thread(target=asyncio.run, args=(fill(audit, 100),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    asyncio.run(audit.stop())
    assert sorted(numbers(tmp_path)) == sorted(list(range(100)) * 4)


async def test_who_is_let_in_late_is_written(tmp_path, monkeypatch):
    """The writer may look, and go to sleep again, between his coming and his being let in."""
    audit = AuditLogHandler(tmp_path, buffer_size=1, max_pending=1)
    await audit.handle(login(0))
    await audit.flush()
    writer, looked = audit._writer, threading.Event()
    has_work, let_in = writer._has_work, writer._let_in
    monkeypatch.setattr(writer, "_has_work", lambda: (has_work(), looked.set())[0])
    monkeypatch.setattr(writer, "_let_in", lambda: (looked.wait(10), let_in()))
    writer.wait(Accepted(audit._encoding.encode(login(1)), is_report=False))
    await until(lambda: not audit.health()["pending"])
    await audit.stop()
    assert numbers(tmp_path) == [0, 1]


async def test_who_waits_while_it_stops_is_let_in(tmp_path):
    """The disk refuses until after the stop; the waiting one brings a new thread to life."""
    audit = AuditLogHandler(tmp_path, buffer_size=1, max_pending=1)
    with Disk(errno.ENOSPC, strikes=2, calls=("write",)).installed():
        await audit.handle(login(0))
        second = asyncio.create_task(audit.handle(login(1)))
        await until(lambda: audit.health()["error"])
        with pytest.raises(OSError):
            await audit.stop()
        assert not second.done()
        await audit.flush()
        await second
    await audit.stop()
    assert numbers(tmp_path) == [0, 1]


async def test_the_bound_is_one_of_bytes_too(tmp_path, held):
    """Of the events' weight in memory; what reaches it is still taken."""
    audit = AuditLogHandler(tmp_path, max_pending_bytes=18_000, when_full="raise")
    await audit.handle(login("x" * 9_000))
    assert 9_000 < audit.health()["pending_bytes"] < 18_000
    await audit.handle(login("x" * 9_000))
    with pytest.raises(BufferFullError):
        await audit.handle(login(2))
    held.set()
    await audit.flush()
    assert audit.health()["pending_bytes"] == 0
    await audit.stop()


@pytest.mark.parametrize(
    "payload",
    [
        {"n": ["x" * 9_000]},
        {"n": {"m": "x" * 9_000}},
        {"x" * 9_000: 1},
        {"n": [{"x" * 9_000: 1}]},
        {"n": list(range(2_500))},
        {"n": {object(): "x" * 9_000}},
        {"n": 256**9_000},
    ],
    ids=["list", "dict", "key", "key within", "numbers", "odd", "int"],
)
async def test_whatever_is_large_counts(tmp_path, payload):
    """Wherever in the payload it is."""
    audit = AuditLogHandler(tmp_path)
    await audit.handle(Event("user.login", payload))
    assert audit.health()["pending_bytes"] > 9_000
    await audit.stop()


async def test_raise_refuses_the_event(tmp_path, held):
    """With how many wait, why, and the remedy; it is not recorded."""
    audit = AuditLogHandler(tmp_path, buffer_size=2, max_pending=2, when_full="raise")
    await fill(audit, 2)
    with pytest.raises(BufferFullError, match=r"2 are waiting.*`max_pending`") as caught:
        await audit.handle(login("refused"))
    assert caught.value.pending == 2
    held.set()
    await audit.flush()
    await audit.handle(login(2))
    await audit.stop()
    assert numbers(tmp_path) == [0, 1, 2]


async def test_raise_says_what_the_disk_says(tmp_path):
    """A full disk, and not only a slow one."""
    audit = AuditLogHandler(tmp_path, buffer_size=1, max_pending=1, when_full="raise")
    with Disk(errno.ENOSPC, strikes=100).installed():
        await audit.handle(login(0))
        await until(lambda: audit.health()["error"])
        with pytest.raises(BufferFullError, match="No space left"):
            await audit.handle(login(1))
    await audit.stop()


async def test_drop_leaves_a_gap_that_tells_of_it(tmp_path, held, caplog):
    """In its place, with how many, and from when to when."""
    audit = AuditLogHandler(tmp_path, buffer_size=2, max_pending=2, when_full="drop")
    await fill(audit, 2)
    await asyncio.to_thread(held.begun.wait, 10)  # what is dropped now is in no batch yet
    await fill(audit, 3)
    assert audit.health()["dropped"] == 3
    held.set()
    await audit.flush()
    await audit.handle(login("after"))
    await audit.stop()
    assert numbers(tmp_path) == [0, 1, "after"]
    (gap,) = own(tmp_path, "gap")
    assert gap["events"] == 3
    assert "" < gap["first_at"] <= gap["last_at"] <= gap["recorded_at"]
    kinds = [record.get("record", "event") for record in chain(tmp_path)]
    assert kinds.index("gap") > [n for n, kind in enumerate(kinds) if kind == "event"][1]
    assert caplog.text.count("events are dropped") == 1


async def test_a_gap_that_is_being_written_grows_no_more(tmp_path, monkeypatch):
    """What is dropped meanwhile is counted in another; none is forgotten."""
    audit = AuditLogHandler(tmp_path, buffer_size=1, max_pending=1, when_full="drop")
    sync, begun, go = os.fdatasync, threading.Event(), threading.Event()

    def slow(fd):
        begun.set()
        go.wait(10)
        sync(fd)

    with Disk(errno.ENOSPC).installed():
        await fill(audit, 3)  # one is accepted, two are dropped, and the disk refuses at first
        await until(lambda: audit.health()["error"])
    monkeypatch.setattr(os, "fdatasync", slow)
    flush = asyncio.create_task(audit.flush())
    await asyncio.to_thread(begun.wait, 10)
    await audit.handle(login(3))
    go.set()
    await flush
    await audit.stop()
    assert numbers(tmp_path) == [0]
    *before, last = [gap["events"] for gap in own(tmp_path, "gap")]
    assert (sum(before), last) == (2, 1)


async def test_max_age_makes_the_rest_durable(tmp_path):
    """Though the buffer is not full, and nobody asks."""
    audit = AuditLogHandler(tmp_path, max_age=0.01)
    for n in range(3):
        await audit.handle(login(n))
        await until(lambda: not audit.health()["pending"])
    assert numbers(tmp_path) == [0, 1, 2]
    await audit.stop()


async def test_max_age_holds_for_what_came_during_a_write(tmp_path, monkeypatch):
    """It is not forgotten because it was not the first in an empty buffer."""
    sync, begun, go = os.fdatasync, threading.Event(), threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda fd: (begun.set(), go.wait(10), sync(fd)))
    audit = AuditLogHandler(tmp_path, max_age=0.01)
    await audit.handle(login(0))
    await asyncio.to_thread(begun.wait, 10)
    await audit.handle(login(1))
    go.set()
    await until(lambda: not audit.health()["pending"])
    assert numbers(tmp_path) == [0, 1]
    await audit.stop()


async def test_flush_on_writes_a_type_at_once(tmp_path):
    """With all that was accepted before it; other types wait for the buffer."""
    audit = AuditLogHandler(tmp_path, flush_on=["user.deleted"])
    await audit.handle(login(0))
    with audit._buffer.lock:
        assert not audit._writer._has_work()
    assert audit.health()["pending"] == 1
    await audit.handle(Event("user.deleted", {"n": 1}))
    await until(lambda: not audit.health()["pending"])
    assert numbers(tmp_path) == [0, 1]
    await audit.stop()
