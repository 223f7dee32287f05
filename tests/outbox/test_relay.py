"""What was not done is done later: after a crash, by whom, and by whom not."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from enum import StrEnum

import psycopg
import pytest
from tests.outbox.conftest import Durable, Gate, bus_with, rows, stopped, until

from busway import Event, EventBus, register_event_types
from busway.events import unregister_event_types
from busway.handlers import EventHandler
from busway_outbox._store import statements
from busway_outbox._store.database import database_of
from busway_outbox._store.operations import Record, Settle, run


def created(**payload):
    return Event("user.created", payload)


def left_behind(url, event, *, handler="tests.Durable", attempts=1, lease=-1.0, type_=None):
    """As a process leaves a row that died while it was at work on it."""
    from busway_outbox._encoding import encode

    database = database_of(url)
    record = Record(event.id, handler, type_ or event.type.value, encode(event), "dead", lease)
    for _ in range(attempts):
        with database.transaction():
            run(database, [record])
    database.close()


async def test_what_a_dead_process_left_is_done(make, url, durable):
    """The handler gets the same event."""
    event = created(name="Ada")
    left_behind(url, event)
    async with bus_with(make(), durable):
        await durable.handled.wait()
    assert durable.got == [event]
    assert rows(url) == [("tests.Durable", "done", 2)]


def test_an_end_that_comes_late_harms_no_other_row(url):
    """The row was done by another process, and deleted; the next must not have its number."""
    database = database_of(url)
    first, second = (
        Record(one.id, "tests.Durable", one.type.value, "{}", "me", 100.0)
        for one in (created(), created())
    )

    def commit(operation):
        with database.transaction():
            (result,) = run(database, [operation])
        return result

    forget = Settle(commit(first).seq, statements.FORGET)
    commit(forget)
    commit(second)
    commit(forget)
    database.close()
    assert rows(url, "event_id") == [(second.event_id,)]


async def test_a_second_call_of_one_attempt_is_recorded(make, url):
    """An interceptor outside calls again, in tasks: each call has its lease, or two would work."""
    seen = []

    class Fails(Durable):
        async def handle(self, event):
            seen.extend(rows(url, "state, attempts"))
            await super().handle(event)

    def twice(handler, call_next):
        async def call(event):
            try:
                await asyncio.create_task(call_next(event))
            except ValueError:
                await asyncio.create_task(call_next(event))

        return call

    left_behind(url, created())
    bus, outbox, fails = EventBus(), make(), Fails(failures=1)
    bus.add_interceptor(twice)
    outbox.attach(bus)
    bus.subscribe(fails)
    async with bus:
        await fails.handled.wait()
    assert seen == [("running", 2), ("running", 3)]
    assert rows(url) == [("tests.Durable", "done", 3)]


async def test_two_outboxes_of_one_database_on_a_bus_are_refused(make, url, durable):
    """The inner one finds the row of the outer at work: it must not become done by that."""
    one, other = make(), make()
    bus = bus_with(one)
    other.attach(bus)
    bus.subscribe(durable)
    async with stopped(one, other):
        (refused,) = (await bus.publish(created())).errors
    assert "two outboxes" in str(refused)
    assert rows(url) == [("tests.Durable", "failed", 1)]


async def test_two_outboxes_with_databases_of_their_own_keep_their_rows_apart(
    make, url, tmp_path, durable
):
    """The outer one must not take the row that the inner one resubmits for its own."""
    outer, inner = make(url=f"sqlite:{tmp_path / 'outer.db'}", relay=False), make()
    left_behind(f"sqlite:{tmp_path / 'outer.db'}", created(), handler="tests.Other")
    left_behind(url, created())
    bus = bus_with(outer)
    inner.attach(bus)
    bus.subscribe(durable)
    async with bus:
        await durable.handled.wait()
    assert rows(url) == [("tests.Durable", "done", 2)]
    assert rows(f"sqlite:{tmp_path / 'outer.db'}", "handler, state") == [
        ("tests.Other", "running"),
        ("tests.Durable", "done"),
    ]


async def test_a_row_at_work_elsewhere_is_left_alone(make, url, durable):
    """Its lease has not ended."""
    left_behind(url, created(), lease=100.0)
    outbox = make()
    async with bus_with(outbox, durable) as bus:
        other = created()
        await bus.publish(other)
        outbox.nudge()
        await asyncio.sleep(0.1)  # it could have been taken
    assert durable.got == [other]


async def test_two_buses_share_the_rows(make, url):
    """Each row is at work once, however many look for it."""
    events = [created(n=n) for n in range(50)]
    for event in events:
        left_behind(url, event)
    first, second = Durable(), Durable()
    async with bus_with(make(batch=5), first), bus_with(make(batch=5), second):
        await until(url, [("done",)] * 50, "state")
    got = [one.id for one in first.got + second.got]
    assert sorted(got) == sorted(one.id for one in events)


async def test_a_lease_is_prolonged_while_the_handler_works(make, url, gate):
    """So that a slow handler keeps its row, and no other process takes it."""
    slow, other = make(lease=0.3), Durable()
    async with stopped(slow):
        task = asyncio.create_task(bus_with(slow, gate).publish(created()))
        await gate.entered.wait()
        async with bus_with(make(), other):
            begun = time.monotonic()
            while time.monotonic() < begun + 1.0:  # three leases
                await asyncio.sleep(0.05)
            assert other.got == []
            gate.opened.set()
            assert (await task).ok
            await slow.flush()
    assert rows(url) == [("tests.Durable", "done", 1)]


async def test_attempts_that_end_with_their_process_count(make, url, durable):
    """An event that kills the process is dead after `max_attempts`, and not handled again."""
    left_behind(url, created(), attempts=3)
    async with bus_with(make(max_attempts=3), durable):
        await until(url, [("dead",)], "state")
    assert durable.got == []
    assert rows(url, "error") == [("the process ended during the last attempt",)]


async def test_a_row_whose_handler_is_gone_is_kept_and_told(make, url, durable, caplog):
    """It stands in nobody's way, and another process that has the handler may take it."""
    left_behind(url, created(), handler="tests.Gone", lease=-100.0)
    mine = created()
    left_behind(url, mine)
    outbox = make()
    async with bus_with(outbox, durable):
        await until(url, [("tests.Gone", "running"), ("tests.Durable", "done")])
        while not outbox.health()["unclaimed"]:
            await asyncio.sleep(0.01)
        outbox._relay._measured = float("-inf")
        outbox.nudge()
        await asyncio.sleep(0.1)
    told = [one.getMessage() for one in caplog.records if "tests.Gone" in one.getMessage()]
    assert len(told) == 1
    assert "busway outbox discard --handler tests.Gone" in told[0]
    gone = Durable()
    gone.name = "tests.Gone"
    async with bus_with(make(), gone):
        await gone.handled.wait()


async def test_a_row_whose_type_is_not_registered_is_kept_and_told(make, url, durable, caplog):
    """As soon as a process knows the type, it is delivered."""

    class Late(StrEnum):
        CAME = "late.came"

    register_event_types(Late)
    event = Event(Late.CAME)
    left_behind(url, event, lease=-100.0)
    unregister_event_types(Late)
    outbox = make()
    async with bus_with(outbox, durable):
        while not outbox.health()["unclaimed"]:
            await asyncio.sleep(0.01)
        assert durable.got == []
        register_event_types(Late)
        await durable.handled.wait()
    assert durable.got[0].type is Late.CAME
    assert "late.came" in caplog.text


async def test_a_row_that_cannot_be_read_is_dead(make, url, durable):
    """No attempt would make it readable."""
    left_behind(url, created())
    database = database_of(url)
    with database.transaction():
        database.many("UPDATE busway_outbox SET event = '{'", [()])
    database.close()
    async with bus_with(make(), durable):
        await until(url, [("dead",)], "state")


async def test_a_handler_that_is_not_durable_any_more_gets_what_is_left(make, url, durable):
    """Nothing is lost by a change of settings."""
    left_behind(url, created())
    durable.durable = False
    async with bus_with(make(), durable):
        await until(url, [("done",)], "state")
    assert len(durable.got) == 1


async def test_what_a_resubmitted_handler_publishes_is_recorded(make, url, durable):
    """Within it, durable handlers are as durable as anywhere."""

    class Publishes(EventHandler):
        name = "tests.Publishes"
        durable = True
        event_types = ("user.login",)

        async def handle(self, event):
            await bus.publish(created())

    left_behind(url, Event("user.login"), handler="tests.Publishes")
    bus = bus_with(make(), Publishes(), durable)
    durable.event_types = ("user.created",)
    async with bus:
        await durable.handled.wait()
    assert sorted(rows(url, "handler, state")) == [
        ("tests.Durable", "done"),
        ("tests.Publishes", "done"),
    ]


async def test_stop_waits_for_what_is_being_resubmitted(make, url, gate):
    """The bus drains first; nothing is left running."""
    left_behind(url, created())
    async with bus_with(make(), gate):
        await gate.entered.wait()
        asyncio.get_running_loop().call_later(0.05, gate.opened.set)
    assert rows(url) == [("tests.Durable", "done", 2)]


async def test_what_the_drain_timeout_cancels_is_tried_again(make, url, caplog):
    """By the next that starts."""
    left_behind(url, created())
    caplog.set_level(logging.CRITICAL)
    gate, outbox = Gate(), make()
    bus = EventBus(drain_timeout=0.01)
    outbox.attach(bus)
    bus.subscribe(gate)
    async with bus:
        await gate.entered.wait()
    assert rows(url, "state") == [("failed",)]
    gate.opened.set()
    async with bus:
        await gate.handled.wait()


async def test_an_outbox_can_start_again_after_it_was_stopped(make, url):
    """Twice, on the same bus."""
    outbox, handler = make(), Durable()
    bus = bus_with(outbox, handler)
    for n in range(2):
        left_behind(url, created())
        async with bus:
            await until(url, [("done",)] * (n + 1), "state")
    assert len(handler.got) == 2


async def test_a_bus_of_another_loop_stops_without_the_relay(make, url, durable):
    """The outbox is on both; it goes on for the bus that it resubmits for."""
    outbox = make()

    async def other():
        async with bus_with(outbox) as bus:
            await bus.publish(created())

    async with bus_with(outbox, durable), asyncio.timeout(5):
        await asyncio.to_thread(asyncio.run, other())
        left_behind(url, created())
        await durable.handled.wait()


async def test_one_that_closes_while_the_writer_ends_is_woken(make, durable):
    """Another has told it to end, in the moment in which this one is about to wait for that."""
    outbox = make(relay=False)
    await bus_with(outbox, durable).publish(created())
    writer = outbox._writer

    class Closing(list):
        def append(self, job):
            thread = writer._thread
            writer.abandon()
            thread.join(0.2)  # it must not end yet
            super().append(job)

    writer._closing = Closing()
    async with asyncio.timeout(5):
        await outbox.stop()


async def test_without_relay_nothing_is_resubmitted(make, url, durable):
    """`relay = false`: another process does it."""
    left_behind(url, created())
    outbox = make(relay=False)
    async with bus_with(outbox, durable):
        assert outbox._relaying is None
    assert durable.got == []


@pytest.mark.parametrize("started", [True, False])
async def test_an_event_tells_the_relay_to_look(make, url, durable, started):
    """`outbox.added`, published by whoever added something."""
    outbox = make(poll=100.0)
    bus = bus_with(outbox, durable)
    if not started:
        assert (await bus.publish(Event("outbox.added"))).ok
        return
    async with bus:
        await bus.publish(created())  # the relay has nothing to do for a hundred seconds now
        left_behind(url, created())
        await bus.publish(Event("outbox.added"))
        await until(url, [("done",)] * 2, "state")


async def test_a_table_of_another_version_is_told_once(make, url, durable, caplog):
    """Though nothing is published: rows would be left, and nobody would know."""
    left_behind(url, created())
    rename = "ALTER TABLE busway_outbox RENAME COLUMN owner TO holder"
    scheme, _, path = url.partition(":")
    with sqlite3.connect(path) if scheme == "sqlite" else psycopg.connect(url) as connection:
        connection.execute(rename)
    connection.close()
    outbox = make()
    async with bus_with(outbox, durable):
        async with asyncio.timeout(10):
            while not any("owner" in one.getMessage() for one in caplog.records):
                await asyncio.sleep(0.01)
        for _ in range(3):
            await asyncio.wait_for(outbox._relay._look_safely(), 10)
    told = [one for one in caplog.records if "owner" in one.getMessage()]
    assert [one.levelno for one in told] == [logging.ERROR]


async def test_whatever_goes_wrong_in_the_relay_it_goes_on(make, url, durable, caplog):
    """A bus that cannot tell its handlers, say."""

    class Odd(EventBus):
        faults = 2

        @property
        def handlers(self):
            if self.faults and getattr(self, "is_odd", False):
                self.faults -= 1
                raise RuntimeError("it cannot tell")
            return super().handlers

    outbox, bus = make(), Odd()
    outbox.attach(bus)
    bus.subscribe(durable)
    await bus.start()
    bus.is_odd = True
    left_behind(url, created())
    async with asyncio.timeout(20):
        while bus.faults:
            outbox.nudge()
            await asyncio.sleep(0.01)
    left_behind(url, created())
    await until(url, [("done",)] * 2, "state")
    bus.is_odd = False
    await bus.stop()
    assert caplog.text.count("the relay failed, and goes on") == 2
