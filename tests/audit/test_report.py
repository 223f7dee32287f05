"""Reports: what the trail itself has to tell goes over the bus, and does not go round."""

import errno

import pytest
from tests.audit.disk import Disk
from tests.audit.trail import login, numbers, until

from busway import Event, EventBus, EventType
from busway_audit import AuditLogHandler


class Listener:
    """Hears what goes wrong; what it answers, it publishes."""

    event_types = (EventType.ERROR_OCCURRED,)

    def __init__(self, bus, answer=None):
        self.heard = []
        self._bus, self._answer = bus, answer

    async def handle(self, event):
        self.heard.append(event)
        if self._answer is not None:
            await self._bus.publish(self._answer())


@pytest.fixture
def bus():
    return EventBus()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("busway_audit._writing.due._RETRY", 0.001)


async def test_a_flush_that_fails_unasked_is_reported_once(bus, tmp_path):
    """As long as the disk goes on refusing; with what waits, and nothing of any payload."""
    audit, listener = AuditLogHandler(tmp_path, buffer_size=2), Listener(bus)
    bus.subscribe(audit)
    bus.subscribe(listener)
    async with bus:
        with Disk(errno.ENOSPC, strikes=20).installed() as disk:
            for _ in range(2):
                await bus.publish(login("secret"))
            await until(lambda: disk.struck == 20)
        await until(lambda: audit.health()["error"] == "")
    (report,) = listener.heard
    assert report.source == "busway.audit"
    assert report.payload["severity"] == "critical"
    assert report.payload["pending"] == 2
    assert report.payload["handler"] == "busway_audit.handler.AuditLogHandler"
    assert "No space left" in report.payload["message"]
    assert "secret" not in str(report.payload)


async def test_a_report_is_an_event_of_the_trail_too(bus, tmp_path):
    """Once the disk takes it."""
    audit = AuditLogHandler(tmp_path, buffer_size=1)
    bus.subscribe(audit)
    async with bus:
        with Disk(errno.ENOSPC).installed():
            await bus.publish(Event("user.login", {"n": 0}))
            await until(lambda: audit.health()["durable"] == 2)
    with pytest.raises(KeyError, match="n"):
        numbers(tmp_path)  # the report's payload has none


@pytest.mark.parametrize("odd", [False, True])
async def test_reports_do_not_go_round(bus, tmp_path, odd):
    """Each write fails the first time: so does that of the report, and of what it has caused."""
    answer = {"about": {1}} if odd else {}
    audit = AuditLogHandler(tmp_path, buffer_size=1)
    listener = Listener(bus, lambda: Event("audit.log", answer))
    bus.subscribe(audit)
    bus.subscribe(listener)
    async with bus:
        with _EveryOther().installed():
            await bus.publish(login(0))
            await until(lambda: audit.health()["durable"] == 3)
            await bus.drain()
        assert len(listener.heard) == 1
        assert audit.health()["accepted"] == 3


class _EveryOther(Disk):
    """The first attempt of each batch fails."""

    def __init__(self):
        super().__init__(errno.ENOSPC)
        self._failed = False

    def _strikes_now(self):
        self._failed = not self._failed
        return self._failed


async def test_an_explicit_flush_raises_and_reports_nothing(bus, tmp_path):
    """Who asked is told; that is enough."""
    audit, listener = AuditLogHandler(tmp_path), Listener(bus)
    bus.subscribe(audit)
    bus.subscribe(listener)
    async with bus:
        await bus.publish(login(0))
        with Disk(errno.ENOSPC).installed(), pytest.raises(OSError):
            await audit.flush()
        await audit.flush()
    assert not listener.heard


async def test_what_is_dropped_is_reported(bus, tmp_path):
    """Once, until there is room again."""
    audit = AuditLogHandler(tmp_path, buffer_size=2, max_pending=2, when_full="drop")
    listener = Listener(bus)
    bus.subscribe(audit)
    bus.subscribe(listener)
    async with bus:
        with Disk(errno.ENOSPC, strikes=10_000).installed():
            for n in range(20):
                await bus.publish(login(n))
            await until(lambda: len(listener.heard) == 2)
    told = sorted(report.payload["message"] for report in listener.heard)
    assert "No space left" in told[0]
    assert "dropped" in told[1]


async def test_a_segment_that_was_given_up_is_reported(bus, tmp_path):
    """Nothing is lost by it, but the disk is not well."""
    audit, listener = AuditLogHandler(tmp_path), Listener(bus)
    bus.subscribe(audit)
    bus.subscribe(listener)
    async with bus:
        await bus.publish(login(0))
        with Disk(errno.EIO, calls=("fdatasync",)).installed():
            await audit.flush()
        await until(lambda: listener.heard)
    assert "a new segment takes over" in listener.heard[0].payload["message"]


async def test_trouble_with_each_batch_is_reported_once(bus, tmp_path):
    """Each report is an event, and so a batch; what it makes others do is not always known."""
    audit, listener = AuditLogHandler(tmp_path, key="5a" * 32), Listener(bus)
    bus.subscribe(audit)
    bus.subscribe(listener)
    async with bus:
        with Disk(errno.EIO, strikes=100, calls=("lseek", "rename")).installed() as disk:
            for n in range(5):
                await bus.publish(login(n))
                await audit.flush()
            assert disk.struck >= 5
    (report,) = listener.heard
    assert "the head file cannot be written" in report.payload["message"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_disk_that_refuses_at_the_start_does_not_keep_it_from_starting(
    bus, tmp_path, number
):
    """It stays subscribed: what it accepts is written later."""
    audit = AuditLogHandler(tmp_path)
    bus.subscribe(audit)
    with Disk(number).installed():
        await bus.start()
    assert audit in bus.handlers
    await bus.publish(login(0))
    await bus.stop()
    assert numbers(tmp_path) == [0]


async def test_a_start_that_the_disk_refuses_is_tried_again(bus, tmp_path):
    """By itself, though no event comes: then the trail begins, and `health` says so."""
    audit = AuditLogHandler(tmp_path)
    bus.subscribe(audit)
    with Disk(errno.ENOSPC, strikes=3).installed() as disk:
        async with bus:
            assert "No space left" in audit.health()["error"]
            await until(lambda: audit.health()["error"] == "")
    assert disk.struck == 3
    assert '"record":"started"' in (tmp_path / "audit-000001.jsonl").read_text()


async def test_a_path_that_is_refused_keeps_it_from_starting(bus, tmp_path):
    """So that the bus says so, where a trail that never begins would say nothing for long."""
    (tmp_path / "real").mkdir()
    (tmp_path / "audit").symlink_to(tmp_path / "real")
    bus.subscribe(AuditLogHandler(tmp_path / "audit"))
    async with bus:
        ((_, reason),) = bus.refused
        assert "symbolic link" in reason
        assert not bus.handlers


async def test_a_start_is_recorded_though_nothing_happens(bus, tmp_path):
    """That nothing happened is something to know, too."""
    bus.subscribe(AuditLogHandler(tmp_path))
    async with bus:
        pass
    assert numbers(tmp_path) == []
    assert '"record":"started"' in (tmp_path / "audit-000001.jsonl").read_text()
    assert '"record":"stopped"' in (tmp_path / "audit-000001.jsonl").read_text()
