"""Segments: when a new one is begun, how they are linked, and how they are sealed."""

import json
from datetime import UTC, datetime

import pytest
from tests.audit.trail import chain, files, login, numbers, own, records

from busway_audit import AuditLogHandler

KEY = "5a" * 32
SEAL = bytes.fromhex(KEY)


class Clock:
    """A `datetime` that says what it is told."""

    def __init__(self, day):
        self.day = day

    def now(self, _zone):
        return datetime(2026, 1, self.day, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    stopped = Clock(1)
    monkeypatch.setattr("busway_audit._format.batch.datetime", stopped)
    return stopped


async def test_a_segment_is_full_at_its_size(tmp_path):
    """Which the batch that reaches it may exceed; the next one begins another."""
    audit = AuditLogHandler(tmp_path, rotate_bytes=2_000)
    for n in range(9):
        await audit.handle(login(n))
        await audit.flush()
    await audit.stop()
    assert numbers(tmp_path) == list(range(9))
    *full, _ = files(tmp_path)
    assert len(full) > 1
    assert all(2_000 <= file.stat().st_size < 4_000 for file in full)
    assert [one["because"] for one in own(tmp_path, "rotated")] == ["size"] * len(full)


async def test_a_segment_is_full_at_the_end_of_its_day(tmp_path, clock):
    """With the first batch of the next, whenever that is."""
    audit = AuditLogHandler(tmp_path)
    for day in (1, 1, 2, 5):
        clock.day = day
        await audit.handle(login(day))
        await audit.flush()
    await audit.stop()
    assert numbers(tmp_path) == [1, 1, 2, 5]
    assert len(files(tmp_path)) == 3
    assert [one["because"] for one in own(tmp_path, "rotated")] == ["day", "day"]


async def test_a_segment_of_yesterday_is_not_gone_on_with_after_a_restart(tmp_path, clock):
    """The day is that of its header, not that of the process."""
    for day in (1, 2):
        clock.day = day
        audit = AuditLogHandler(tmp_path)
        await audit.handle(login(day))
        await audit.stop()
    assert len(files(tmp_path)) == 2


async def test_days_can_be_ignored(tmp_path, clock):
    """For who wants few files."""
    audit = AuditLogHandler(tmp_path, rotate_daily=False)
    for day in (1, 2):
        clock.day = day
        await audit.handle(login(day))
        await audit.flush()
    await audit.stop()
    assert len(files(tmp_path)) == 1


async def test_a_header_names_what_it_follows(tmp_path):
    """Version, log, slot, number, seal, and how much of the segment before counts."""
    audit = AuditLogHandler(tmp_path, rotate_bytes=1)
    for n in range(2):
        await audit.handle(login(n))
        await audit.flush()
    await audit.stop()
    first, second, *_ = own(tmp_path, "segment")
    for name in ("seq", "recorded_at", "prev", "hash"):
        del first[name], second[name]
    log = first["log"]
    same = {"record": "segment", "version": 1, "log": log, "slot": 1, "seal": "sha256"}
    assert first == {**same, "segment": 1, "previous_size": 0}
    size = files(tmp_path)[0].stat().st_size
    assert second == {**same, "segment": 2, "previous_size": size, "because": "rotated"}
    assert len(log) == 32


async def test_the_chain_runs_through_all_segments(tmp_path):
    """Of one writer after another, too: `chain` follows every link."""
    for begin in (0, 5):
        audit = AuditLogHandler(tmp_path, rotate_bytes=1_500)
        for n in range(begin, begin + 5):
            await audit.handle(login(n))
            await audit.flush()
        await audit.stop()
    assert [one["seq"] for one in chain(tmp_path)] == list(range(1, len(chain(tmp_path)) + 1))
    assert numbers(tmp_path) == list(range(10))


async def test_who_wrote_it_and_when_is_told(tmp_path):
    """Each writer's beginning and end, with its process."""
    import os
    import socket

    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(0))
    await audit.stop()
    (started,), (stopped,) = own(tmp_path, "started"), own(tmp_path, "stopped")
    assert (started["pid"], started["host"]) == (os.getpid(), socket.gethostname())
    assert stopped["pid"] == os.getpid()
    recorded = [datetime.fromisoformat(one["recorded_at"]) for one in records(tmp_path)]
    assert recorded == sorted(recorded)
    assert all(one.utcoffset() is not None for one in recorded)


async def test_a_key_seals_every_line(tmp_path):
    """Its id stands in the header, the key nowhere."""
    audit = AuditLogHandler(tmp_path, key=KEY)
    await audit.handle(login(0))
    await audit.stop()
    assert numbers(tmp_path, SEAL) == [0]
    with pytest.raises(AssertionError):
        chain(tmp_path, key=bytes(32))
    header = own(tmp_path, "segment", SEAL)[0]
    assert header["seal"] == "hmac-sha256"
    assert len(header["key_id"]) == 16
    assert KEY.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


async def test_the_head_follows_the_chain(tmp_path):
    """After each batch, always of one size."""
    audit = AuditLogHandler(tmp_path, key=KEY, rotate_bytes=1)
    for n in range(3):
        await audit.handle(login(n))
        await audit.flush()
        head = json.loads((tmp_path / "audit.head").read_bytes())
        last = chain(tmp_path, key=SEAL)[-1]
        assert (head["seq"], head["hash"]) == (last["seq"], last["hash"])
        assert head["segment"] == n + 1
        assert (tmp_path / "audit.head").stat().st_size == 512
    await audit.stop()


async def test_a_head_that_cannot_be_written_costs_no_event(tmp_path, monkeypatch, caplog):
    """It falls behind, which is logged."""
    audit = AuditLogHandler(tmp_path, key=KEY)
    await audit.handle(login(0))
    await audit.flush()
    with monkeypatch.context() as patch:
        patch.setattr("os.lseek", _refuse)
        await audit.handle(login(1))
        await audit.flush()
    assert "the head file cannot be written" in caplog.text
    await audit.stop()
    assert numbers(tmp_path, SEAL) == [0, 1]
    head = json.loads((tmp_path / "audit.head").read_bytes())
    assert head["seq"] == chain(tmp_path, key=SEAL)[-1]["seq"]


def _refuse(*_):
    raise OSError(5, "Input/output error")
