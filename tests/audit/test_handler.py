"""The handler's contract: what is accepted, what is durable, and in which order."""

import asyncio
import doctest
import os
import threading
from pathlib import Path
from typing import get_type_hints

import pytest
from tests.audit.trail import chain, events, files, login, numbers, own

from busway.events import Event
from busway.handlers import ANY
from busway_audit import AuditLogHandler, handler


@pytest.fixture
async def audit(tmp_path):
    handler = AuditLogHandler(tmp_path / "audit")
    yield handler
    await handler.stop()


@pytest.fixture
def gate(monkeypatch):
    """Syncs wait until it is opened."""
    return Gate(monkeypatch)


class Gate:
    def __init__(self, monkeypatch):
        self.begun, self._open = threading.Event(), threading.Event()
        sync = os.fdatasync
        monkeypatch.setattr(
            os, "fdatasync", lambda fd: (self.begun.set(), self._open.wait(10), sync(fd))
        )

    async def reached(self):
        assert await asyncio.to_thread(self.begun.wait, 10)

    def open(self):
        self._open.set()


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


async def test_nothing_is_created_before_the_first_flush(tmp_path):
    """Neither by the constructor nor by `stop` with nothing to write."""
    audit = AuditLogHandler(tmp_path / "audit")
    await audit.stop()
    assert not (tmp_path / "audit").exists()


async def test_a_record_is_the_events_dict(audit, tmp_path):
    """The fields inline, in the order of `to_dict`, between the chain's own."""
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
    (record,) = events(tmp_path / "audit")
    assert list(record) == ["seq", "recorded_at", *event.to_dict(), "prev", "hash"]
    for name in ("seq", "recorded_at", "prev", "hash"):
        del record[name]
    assert record == event.to_dict()
    assert Event.from_dict(record) == event


async def test_the_hundredth_event_makes_all_durable(audit, gate):
    """99 accepted: the disk has no work; 100: it has, and `handle` does not wait for it."""
    for n in range(99):
        await audit.handle(login(n))
    assert not gate.begun.is_set()
    await audit.handle(login(99))
    await gate.reached()
    gate.open()
    await audit.flush()
    assert audit.health()["durable"] == 100


async def test_flush_writes_what_there_is(audit, tmp_path):
    """One event is enough."""
    await audit.handle(login(1))
    await audit.flush()
    assert numbers(tmp_path / "audit") == [1]


async def test_flush_syncs_file_and_directory_before_it_returns(audit, monkeypatch):
    """After the bytes are written; of the next batch, the file alone."""
    await audit.handle(login())
    calls = []
    for name in ("write", "fdatasync", "fsync"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, r=real: (calls.append(n), r(*a))[1])
    await audit.flush()
    assert calls[calls.index("write") :] == ["write", "fdatasync", "fsync"]
    calls.clear()
    await audit.handle(login())
    await audit.flush()
    assert calls == ["write", "fdatasync"]


async def test_a_batch_ends_in_its_commit(audit, tmp_path):
    """Which counts its events."""
    for size in (1, 3):
        for n in range(size):
            await audit.handle(login(n))
        await audit.flush()
    assert [record["events"] for record in own(tmp_path / "audit", "commit")] == [1, 3]


async def test_last_durable_seq_is_that_of_the_last_record_on_disk(audit, tmp_path):
    """It grows with each batch, and never before it is durable."""
    await audit.handle(login())
    assert audit.health()["last_durable_seq"] == 0
    await audit.flush()
    assert audit.health()["last_durable_seq"] == chain(tmp_path / "audit")[-1]["seq"]


async def test_stop_writes_the_rest_and_its_end(audit, tmp_path):
    """And twice is no error."""
    await audit.handle(login(1))
    await audit.stop()
    await audit.stop()
    kinds = [record.get("record", "event") for record in chain(tmp_path / "audit")]
    assert kinds == ["segment", "started", "event", "commit", "stopped", "commit"]


async def test_stop_ends_the_thread_and_closes_all(audit):
    """Nothing of the handler is left but its files."""
    before = _open_files()
    await audit.handle(login(1))
    await audit.flush()
    thread = audit._writer._thread
    assert audit.health()["file"] in _open_files()
    await audit.stop()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
    assert _open_files() - before == set()


async def test_it_goes_on_after_stop(audit, tmp_path):
    """The chain is continued; nothing is lost."""
    await audit.handle(login(1))
    await audit.stop()
    await audit.handle(login(2))
    await audit.stop()
    assert numbers(tmp_path / "audit") == [1, 2]
    assert len(files(tmp_path / "audit")) == 1
    assert len(own(tmp_path / "audit", "started")) == 2


async def test_a_later_change_does_not_alter_the_record(audit, tmp_path):
    """Whatever it is that is changed."""
    payloads = [{"n": 1}, {"n": [1]}, {"n": {"a": [1]}}, {"n": ({},)}, {"n": {1}}, {"n": [b"", {}]}]
    metadata = {"a": "as it was"}
    for payload in payloads:
        await audit.handle(Event("user.login", payload, metadata=metadata))
    payloads[1]["n"].append("changed")
    payloads[2]["n"]["a"].append("changed")
    payloads[3]["n"][0]["b"] = "changed"
    payloads[4]["n"].add("changed")
    payloads[5]["n"][1]["b"] = "changed"
    metadata["a"] = payloads[0]["n"] = "changed"
    await audit.flush()
    assert numbers(tmp_path / "audit") == [1, [1], {"a": [1]}, [{}], [1], ["", {}]]
    assert {event["metadata"]["a"] for event in events(tmp_path / "audit")} == {"as it was"}


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


async def test_the_loop_runs_while_the_disk_works(audit, gate, tmp_path):
    """A sync that does not return holds up nobody but those who wait for it."""
    await audit.handle(login(1))
    flush = asyncio.create_task(audit.flush())
    await gate.reached()
    for n in range(2, 300):
        await audit.handle(login(n))
    assert audit.health()["pending"] == 299
    assert not flush.done()
    gate.open()
    await flush
    await audit.flush()
    assert numbers(tmp_path / "audit") == list(range(1, 300))


async def test_a_cancelled_flush_is_carried_through(audit, gate, tmp_path):
    """Whoever waits is cancelled at once; the write goes on."""
    await audit.handle(login(1))
    flush = asyncio.create_task(audit.flush())
    await gate.reached()
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    gate.open()
    await audit.flush()
    assert numbers(tmp_path / "audit") == [1]


@pytest.mark.parametrize("asked", ["flush", "stop"])
async def test_what_is_asked_for_during_a_stop_is_done(audit, gate, tmp_path, asked):
    """The thread ends without another round: all is durable, and who asked is told."""
    await audit.handle(login(1))
    stop = asyncio.create_task(audit.stop())
    await gate.reached()
    late = asyncio.create_task(getattr(audit, asked)())
    await asyncio.sleep(0)
    gate.open()
    await asyncio.wait_for(asyncio.gather(stop, late), 10)
    assert numbers(tmp_path / "audit") == [1]
    assert audit.health()["slot"] == 0


async def test_an_event_is_not_accepted_if_no_thread_can_be_started(audit, tmp_path, monkeypatch):
    """`handle` raises: so nothing is recorded, and the next event is another attempt."""
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            await audit.handle(login("refused"))
    assert audit.health()["accepted"] == 0
    await audit.handle(login(1))
    await audit.flush()
    assert numbers(tmp_path / "audit") == [1]


def _refuse(_thread):
    raise RuntimeError("can't start new thread")


def test_a_loop_that_closes_during_a_write_disturbs_nothing(gate, tmp_path, caplog):
    """The job ends after its loop: nothing is logged, and the record is there."""
    audit = AuditLogHandler(tmp_path)

    async def give_up():
        await audit.handle(login(1))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(audit.flush(), 0.01)

    asyncio.run(give_up())
    gate.open()
    asyncio.run(audit.stop())
    assert numbers(tmp_path) == [1]
    assert not caplog.records


async def test_a_relative_path_is_that_of_the_construction(tmp_path, monkeypatch):
    """A later `chdir` moves nothing."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    audit = AuditLogHandler("audit")
    monkeypatch.chdir(tmp_path / "elsewhere")
    await audit.handle(login(1))
    await audit.stop()
    assert numbers(tmp_path / "audit") == [1]


async def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    """In a setting no shell has expanded it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    handler = AuditLogHandler(path="~/trail")
    await handler.handle(login(1))
    await handler.stop()
    assert numbers(tmp_path / "trail") == [1]


async def test_health_counts(audit):
    """Accepted, pending, durable; the file and the slot once there are any."""
    nothing = {
        "accepted": 0,
        "pending": 0,
        "durable": 0,
        "dropped": 0,
        "pending_bytes": 0,
        "last_durable_seq": 0,
        "slot": 0,
        "file": "",
        "error": "",
    }
    assert audit.health() == nothing
    await audit.handle(login())
    before = audit.health()
    assert (before["accepted"], before["pending"], before["durable"]) == (1, 1, 0)
    assert before["pending_bytes"] > 0
    await audit.flush()
    after = audit.health()
    assert (after["accepted"], after["pending"], after["durable"]) == (1, 0, 1)
    assert after["pending_bytes"] == 0
    assert after["slot"] == 1
    assert Path(after["file"]).exists()


def _open_files():
    open_files = set()
    for fd in Path("/proc/self/fd").iterdir():
        try:
            open_files.add(os.readlink(fd))
        except FileNotFoundError:  # the listing's own
            continue
    return open_files
