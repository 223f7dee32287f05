"""What a publish promises for durable handlers."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import sys
from contextlib import closing

import pytest
from tests.outbox.conftest import QUICK, Durable, bus_with, rows, stopped, until

from busway import Event, SkipHandler
from busway.handlers import EventHandler
from busway_outbox import Outbox, OutboxError
from busway_outbox._store import sqlite


def created(**payload):
    return Event("user.created", payload)


async def test_a_row_is_committed_before_the_handler_runs(make, url):
    """Another process sees it while the handler is at work."""
    seen = []

    class Looks(Durable):
        async def handle(self, event):
            seen.extend(rows(url))

    outbox = make()
    async with stopped(outbox):
        await bus_with(outbox, Looks()).publish(created())
    assert seen == [("tests.Durable", "running", 1)]


async def test_a_row_is_done_when_the_handler_has_returned(make, url, durable):
    """And its payload is forgotten."""
    outbox = make()
    async with stopped(outbox):
        result = await bus_with(outbox, durable).publish(created(name="Ada"))
    assert result.ok
    assert rows(url, "state, attempts, event") == [("done", 1, "")]


async def test_nothing_is_kept_of_what_is_done_if_so_set(make, url, durable):
    """`keep_done = 0`."""
    outbox = make(keep_done=0)
    async with stopped(outbox):
        await bus_with(outbox, durable).publish(created())
    assert rows(url) == []


async def test_a_handler_that_is_not_durable_has_no_row(make, url, durable):
    """It is called as if there were no outbox."""
    durable.durable = False
    outbox = make()
    bus = bus_with(outbox, durable)
    assert bus.interceptors == (outbox.intercept,)
    assert outbox.intercept(durable, durable.handle) == durable.handle
    await bus.publish(created())
    assert len(durable.got) == 1
    assert not outbox._writer.begun


async def test_an_outbox_that_nobody_needs_makes_no_file(tmp_path, durable):
    """Though its bus was started."""
    durable.durable = False
    outbox = Outbox(url=f"sqlite:{tmp_path / 'none.db'}", poll=0.01)
    async with bus_with(outbox, durable) as bus:
        await bus.publish(created())
        await asyncio.sleep(0.03)  # some looks of the relay
    assert list(tmp_path.iterdir()) == []


async def test_settings_make_handlers_durable_by_name(make, url, durable):
    """Patterns, too."""
    durable.durable = False
    outbox = make(durable=["shop.*", "tests.Dur*"])
    async with stopped(outbox):
        await bus_with(outbox, durable).publish(created())
    assert rows(url) == [("tests.Durable", "done", 1)]


async def test_a_failure_is_recorded_and_the_outcome_is_failed(make, url):
    """The publisher is told, and the row stands for another attempt."""
    outbox = make(wait_initial=100.0)
    async with stopped(outbox):
        result = await bus_with(outbox, Durable(failures=1)).publish(created())
        await outbox.flush()
    assert [one.status for one in result.outcomes] == ["failed"]
    columns = "state, attempts, error"
    assert rows(url, columns) == [("failed", 1, "ValueError: not yet")]


async def test_a_failed_row_is_tried_again_until_it_is_done(make, url):
    """By the relay of a started bus; the handler gets the same event each time."""
    outbox, handler, event = make(), Durable(failures=3), created(name="Ada", n=[1, None, 2.5])
    async with bus_with(outbox, handler) as bus:
        await bus.publish(event)
        await handler.handled.wait()
    assert handler.got == [event] * 4
    assert rows(url) == [("tests.Durable", "done", 4)]


async def test_a_row_is_dead_after_max_attempts(make, url, caplog):
    """It is told once, and in `health()`."""
    outbox, handler = make(max_attempts=3), Durable(failures=100)
    async with bus_with(outbox, handler) as bus:
        await bus.publish(created())
        await until(url, [("dead", 3)], "state, attempts")
        outbox._relay._measured = float("-inf")
        while not outbox.health()["dead"]:
            outbox.nudge()
            await asyncio.sleep(0.01)
    assert len(handler.got) == 3
    assert sum("is dead after 3 attempts" in one.message for one in caplog.records) == 1


async def test_a_cancelled_publisher_leaves_the_row_for_another_try(make, url, gate):
    """It was cancelled during the handling."""
    outbox = make()
    async with stopped(outbox):
        bus = bus_with(outbox, gate)
        task = asyncio.create_task(bus.publish(created()))
        await gate.entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await outbox.flush()
        assert rows(url) == [("tests.Durable", "failed", 1)]
        gate.opened.set()
        await bus.start()
        await gate.handled.wait()
        await bus.stop()
    assert rows(url) == [("tests.Durable", "done", 2)]


async def test_one_cancelled_while_it_is_recorded_runs_nothing_and_loses_nothing(
    make, url, durable
):
    """What was recorded by then is given back."""
    outbox = make()
    async with stopped(outbox):
        bus = bus_with(outbox, durable)
        task = asyncio.create_task(bus.publish(created()))
        await asyncio.sleep(0)  # it has asked for its row
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await outbox.flush()
        await outbox.flush()  # what gives it back is asked for by the thread
        assert durable.got == []
        assert rows(url) == [("tests.Durable", "pending", 0)]
        await bus.start()
        await durable.handled.wait()
        await bus.stop()


async def test_an_event_that_is_done_is_not_handled_again(make, url, durable):
    """As long as its row is kept: the outcome is `skipped`, and says why."""
    outbox, event = make(), created()
    async with stopped(outbox):
        bus = bus_with(outbox, durable)
        await bus.publish(event)
        await outbox.flush()
        (outcome,) = (await bus.publish(event)).outcomes
    assert outcome.status == "skipped"
    assert "done" in str(outcome.exception)
    assert len(durable.got) == 1


async def test_an_event_that_has_failed_is_tried_at_once_if_published_again(make, url):
    """It need not wait for its time."""
    outbox, handler, event = make(wait_initial=100.0), Durable(failures=1), created()
    async with stopped(outbox):
        bus = bus_with(outbox, handler)
        await bus.publish(event)
        await outbox.flush()
        assert (await bus.publish(event)).ok
    assert rows(url) == [("tests.Durable", "done", 2)]


async def test_an_event_at_two_places_of_publish_many_is_handled_once(make, url, durable):
    """While the first is at work, the second finds its row taken."""
    outbox, event = make(), created()
    async with stopped(outbox):
        await bus_with(outbox, durable).publish_many([event, event])
    assert len(durable.got) == 1


async def test_two_handlers_of_one_name_are_refused(make, url):
    """The second fails with an error that tells the remedy; nothing is lost in silence."""
    outbox, first, second = make(), Durable(), Durable()
    async with stopped(outbox):
        result = await bus_with(outbox, first, second).publish(created())
    assert [one.status for one in result.outcomes] == ["ok", "failed"]
    assert "called tests.Durable: give each a `name`" in str(result.errors[0])


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"at": (1, 2)}, "payload.at is a tuple"),
        ({"at": {"in": [1, {2}]}}, "payload.at.in[1] is a set"),
        ({"n": {1: "one"}}, "payload.n has the key 1, a int"),
        ({"n": float("nan")}, "payload.n is nan"),
        ({"raw": b""}, "payload.raw is a bytes"),
    ],
)
async def test_a_payload_that_would_not_come_back_is_refused(make, payload, told, durable):
    """The handler is not run; the error names the key and the type."""
    outbox = make()
    async with stopped(outbox):
        result = await bus_with(outbox, durable).publish(created(**payload))
    assert told in str(result.errors[0])
    assert isinstance(result.errors[0], OutboxError)
    assert durable.got == []


async def test_a_handler_that_skips_is_done(make, url):
    """That an inner interceptor keeps an event from it is no failure."""

    class Skips(Durable):
        async def handle(self, event):
            raise SkipHandler("not for me")

    outbox = make()
    async with stopped(outbox):
        await bus_with(outbox, Skips()).publish(created())
    assert rows(url) == [("tests.Durable", "done", 1)]


async def test_a_database_that_refuses_runs_no_handler(tmp_path, durable, caplog, monkeypatch):
    """The outcome says that nothing was recorded, `health()` says why, and the log once."""
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.01)
    path = tmp_path / "outbox.db"
    outbox = Outbox(url=f"sqlite:{path}")
    async with stopped(outbox):
        bus = bus_with(outbox, durable)
        await bus.publish(created())
        await outbox.flush()
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                result = await bus.publish(created())
                assert "nothing was recorded or handled" in str(result.errors[0])
            assert "locked" in outbox.health()["error"]
        assert (await bus.publish(created())).ok
    assert outbox.health()["error"] == ""
    assert len(durable.got) == 2
    told = [one for one in caplog.records if one.name == "busway.outbox"]
    assert [one.levelno for one in told] == [logging.ERROR, logging.WARNING]


async def test_who_writes_to_the_file_when_it_is_turned_to_wal_is_waited_for(tmp_path, durable):
    """As another process that opens it at the same moment: SQLite refuses at once."""
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE shop (name)")
        holder.execute("BEGIN IMMEDIATE")
        outbox = Outbox(url=f"sqlite:{path}")
        async with stopped(outbox):
            publishing = asyncio.create_task(bus_with(outbox, durable).publish(created()))
            done, _ = await asyncio.wait({publishing}, timeout=0.2)
            holder.execute("COMMIT")
            assert (await publishing).ok
    assert not done


async def test_an_end_that_the_database_refuses_is_recorded_later(tmp_path, monkeypatch):
    """It is kept until the database takes it."""
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.01)
    path = tmp_path / "outbox.db"
    holder = sqlite3.connect(path, isolation_level=None)

    class Locks(Durable):
        async def handle(self, event):
            holder.execute("BEGIN IMMEDIATE")

    outbox = Outbox(url=f"sqlite:{path}")
    async with stopped(outbox):
        assert (await bus_with(outbox, Locks()).publish(created())).ok
        await outbox.flush()
        assert "locked" in outbox.health()["error"]
        assert rows(outbox._url) == [("tests.Durable", "running", 1)]
        holder.execute("ROLLBACK")
        holder.close()
        await until(outbox._url, [("tests.Durable", "done")])


async def test_an_id_that_is_too_long_harms_no_other(postgres, durable):
    """PostgreSQL's index takes 8 kB; so long a key is what it calls an operational error."""
    outbox = Outbox(url=postgres.database(), **QUICK)
    long = "".join(map(chr, random.Random(1).choices(range(32, 0xD7FF), k=20_000)))
    async with stopped(outbox):
        results = await bus_with(outbox, durable).publish_many(
            [created(), Event("user.created", id=long), created()]
        )
    assert [one.ok for one in results] == [True, False, True]
    assert outbox.health()["error"] == ""


async def test_an_end_that_a_read_only_server_refuses_is_recorded_later(postgres, gate):
    """As after a failover, until that is noticed."""
    url = postgres.database()
    outbox = Outbox(url=url, relay=False)
    async with stopped(outbox):
        publishing = asyncio.create_task(bus_with(outbox, gate).publish(created()))
        await gate.entered.wait()
        writer = outbox._writer._committing.database._connection
        writer.execute("SET default_transaction_read_only = on")
        gate.opened.set()
        await publishing
        await outbox.flush()
        assert "read-only" in outbox.health()["error"]
        writer.execute("SET default_transaction_read_only = off")
        await until(url, [("tests.Durable", "done")])


async def test_a_fault_of_one_event_harms_no_other(make, url, durable):
    """They share a transaction; one that the database cannot take fails alone."""

    class Odd(EventHandler):
        durable = True
        event_types = ("user.created",)
        name = "odd\0name" if url.startswith("postgresql") else "odd\ud800name"

        async def handle(self, event):
            raise AssertionError("it was not recorded")

    outbox = make()
    async with stopped(outbox):
        result = await bus_with(outbox, durable, Odd()).publish(created())
    assert [one.status for one in result.outcomes] == ["ok", "failed"]
    assert isinstance(result.errors[0], OutboxError)


def test_it_works_from_several_loops_in_several_threads(make, url, durable):
    """It belongs to none."""
    outbox = make()
    bus = bus_with(outbox, durable)

    async def publish():
        for _ in range(10):
            await bus.publish(created())

    async def main():
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, publish()) for _ in range(4)))
        await outbox.stop()

    asyncio.run(main())
    assert len(durable.got) == 40
    assert {one[1] for one in rows(url)} == {"done"}


async def test_without_psycopg_the_remedy_is_told(monkeypatch, durable):
    """The handler is not run, and nothing is left running."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    outbox = Outbox(url="postgresql://127.0.0.1/shop", poll=0.01)
    async with bus_with(outbox, durable) as bus:
        result = await bus.publish(created())
    assert "pip install 'busway-outbox[postgres]'" in str(result.errors[0])
    assert durable.got == []
