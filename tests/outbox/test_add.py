"""Events that are published if a transaction ends well, and never if it does not."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing, contextmanager, suppress

import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from tests.outbox.conftest import QUICK, Durable, bus_with, rows, until

from busway import Event, EventBus
from busway.handlers import EventHandler
from busway_outbox import Outbox, OutboxError
from busway_outbox._store import sqlite
from busway_outbox._transactions.callers import drive


def created(**payload):
    return Event("user.created", payload)


class RolledBack(Exception):  # noqa: N818 - no error of the test
    pass


def alchemy(url):
    scheme, _, rest = url.partition(":")
    return f"sqlite:///{rest}" if scheme == "sqlite" else f"postgresql+psycopg:{rest}"


# Each of these is a transaction, and gives what begins a savepoint in it, too.


@contextmanager
def by_sqlite3(url):
    connection = sqlite3.connect(url.removeprefix("sqlite:"))
    with closing(connection), connection:
        yield connection, lambda: by_hand(connection)


@contextmanager
def by_hand(connection):
    connection.execute("SAVEPOINT one")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO one")
        raise
    finally:
        connection.execute("RELEASE one")


@contextmanager
def by_psycopg(url):
    with psycopg.connect(url) as connection, connection.transaction():
        yield connection, connection.transaction


@contextmanager
def by_sqlalchemy(url):
    engine = sqlalchemy.create_engine(alchemy(url))
    try:
        with engine.begin() as connection:
            yield connection, connection.begin_nested
    finally:
        engine.dispose()


@contextmanager
def by_session(url):
    engine = sqlalchemy.create_engine(alchemy(url))
    try:
        with Session(engine) as session, session.begin():
            yield session, session.begin_nested
    finally:
        engine.dispose()


@contextmanager
def by_django(url):
    import django
    from django.conf import settings
    from django.db import connection, connections, transaction
    from django.db.utils import ConnectionHandler

    if not settings.configured:
        settings.configure(DATABASES={}, USE_TZ=True)
        django.setup()
    scheme, _, path = url.partition(":")
    engine, told = "sqlite3", {"NAME": path}
    if scheme != "sqlite":
        parts = psycopg.conninfo.conninfo_to_dict(url)
        told = {"HOST": parts["host"], "PORT": parts["port"], "USER": parts["user"]}
        engine, told["NAME"] = "postgresql", parts["dbname"]
    made = ConnectionHandler({"default": {"ENGINE": f"django.db.backends.{engine}", **told}})
    connections["default"] = made["default"]
    try:
        with transaction.atomic():
            yield connection, transaction.atomic
    finally:
        connections["default"].close()
        del connections["default"]


@asynccontextmanager
async def by_async_psycopg(url):
    async with await psycopg.AsyncConnection.connect(url) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def by_async_connection(url):
    engine = create_async_engine(alchemy(url))
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def by_async_session(url):
    engine = create_async_engine(alchemy(url))
    try:
        async with AsyncSession(engine) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


WAYS = {
    "sqlite": [by_sqlite3, by_sqlalchemy, by_session, by_django],
    "postgresql": [by_psycopg, by_sqlalchemy, by_session, by_django],
}


@pytest.fixture(params=range(4))
def way(request, url):
    """A way to a transaction, in a thread of its own: Django wants no loop."""
    return WAYS[url.partition(":")[0]][request.param]


async def in_thread(function):
    await asyncio.to_thread(function)


async def test_an_event_is_published_when_the_transaction_has_ended_well(make, url, way, durable):
    """To all handlers, durable or not, once."""
    outbox, event, plain = make(), created(name="Ada"), Durable()
    plain.name, plain.durable = "tests.Plain", False

    def act():
        with way(url) as (connection, _):
            outbox.add(event, connection)

    async with bus_with(outbox, durable, plain):
        await in_thread(act)
        await until(url, [("*", "done"), ("tests.Durable", "done")])
    assert durable.got == plain.got == [event]


async def test_an_event_is_never_published_if_the_transaction_has_not(make, url, way, durable):
    """Nor if it was in a savepoint that was rolled back."""
    outbox, last = make(), created()

    def act():
        with pytest.raises(RolledBack), way(url) as (connection, _):  # noqa: PT012 - the block is the transaction
            outbox.add(created(), connection)
            raise RolledBack
        with way(url) as (connection, savepoint):
            with pytest.raises(RolledBack), savepoint():  # noqa: PT012 - the block is the transaction
                outbox.add(created(), connection)
                raise RolledBack
            outbox.add(last, connection)

    async with bus_with(outbox, durable):
        await in_thread(act)
        await until(url, [("*", "done"), ("tests.Durable", "done")])
    assert durable.got == [last]


@pytest.mark.parametrize("way", [by_async_psycopg, by_async_connection, by_async_session])
async def test_a_connection_that_is_awaited_adds_too(postgres, way, durable):
    """After a commit, and not after a rollback."""
    url = postgres.database()
    outbox, last = Outbox(url=url, poll=0.02), created()
    async with bus_with(outbox, durable):
        with pytest.raises(RolledBack):  # noqa: PT012 - the block is the transaction
            async with way(url) as connection:
                await outbox.add_async(created(), connection)
                raise RolledBack
        async with way(url) as connection:
            await outbox.add_async(last, connection)
        await until(url, [("*", "done"), ("tests.Durable", "done")])
    assert durable.got == [last]


def test_it_does_not_matter_what_rows_the_caller_wants(tmp_path):
    """Of SQLite: any factory of rows, and bytes for texts."""
    path = tmp_path / "outbox.db"
    outbox = Outbox(url=f"sqlite:{path}")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.row_factory = lambda _, row: {"row": row}
        connection.text_factory = bytes
        outbox.add(created(), connection)
    assert len(rows(f"sqlite:{path}")) == 1


async def test_it_does_not_matter_what_rows_the_caller_of_psycopg_wants(postgres):
    """Dicts are usual."""
    url = postgres.database()
    outbox = Outbox(url=url)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        outbox.add(created(), connection)
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as awaited:
        await outbox.add_async(created(), awaited)
    assert len(rows(url)) == 2


async def test_the_same_event_added_twice_is_published_once(make, url, way, durable):
    """It is known by its id."""
    outbox, event = make(), created()

    def act():
        with way(url) as (connection, _):
            outbox.add(event, connection)
            outbox.add(event, connection)

    await in_thread(act)
    assert rows(url) == [("*", "pending", 0)]


async def test_what_a_handler_adds_is_caused_by_what_it_handles(tmp_path, durable):
    """As if it had published it."""
    url = f"sqlite:{tmp_path / 'outbox.db'}"
    outbox, login = Outbox(url=url, poll=0.02), Event("user.login", correlation_id="c")

    class Adds(EventHandler):
        event_types = ("user.login",)

        async def handle(self, event):
            with by_sqlite3(url) as (connection, _):
                outbox.add(created(), connection)

    durable.event_types = ("user.created",)
    async with bus_with(outbox, Adds(), durable) as bus:
        await bus.publish(login)
        await durable.handled.wait()
    (event,) = durable.got
    assert (event.causation_id, event.correlation_id) == (login.id, "c")


async def test_an_event_that_a_middleware_refuses_is_tried_again(make, url, durable):
    """It was not dispatched; at last it is dead."""
    outbox = make(max_attempts=2, relay=True)
    bus = bus_with(outbox, durable)
    bus.add_middleware(lambda event: 1 / 0)

    def act():
        with WAYS[url.partition(":")[0]][0](url) as (connection, _):
            outbox.add(created(), connection)

    async with bus:
        await in_thread(act)
        await until(url, [("*", "dead")])
    assert "ZeroDivisionError" in rows(url, "error")[0][0]
    assert durable.got == []


async def test_a_handler_with_the_name_of_all_takes_nothing_from_them(make, url, way, durable):
    """`*` stands for all handlers in a row; a durable one of that name is refused."""

    class Star(Durable):
        name = "*"

    def add():
        with way(url) as (connection, _):
            outbox.add(created(), connection)

    outbox, star = make(max_attempts=1), Star()
    await in_thread(add)
    async with bus_with(outbox, star, durable):
        await durable.handled.wait()
        await until(url, [("*", "dead"), ("tests.Durable", "done")])
    assert star.got == []


async def test_an_event_that_cannot_be_recorded_is_published_again(tmp_path, durable, monkeypatch):
    """Nobody else would publish it: the database is locked after it was taken."""
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.01)
    path = tmp_path / "outbox.db"
    outbox = Outbox(url=f"sqlite:{path}", **QUICK)
    with closing(sqlite3.connect(path)) as connection, connection:
        outbox.add(created(), connection)
    holder = sqlite3.connect(path, isolation_level=None)
    refused = []

    def locking(handler, call_next):
        async def call(event):
            if not refused:
                holder.execute("BEGIN IMMEDIATE")
            try:
                await call_next(event)
            except OutboxError as error:
                refused.append(error)
                holder.execute("COMMIT")
                raise

        return call if handler is durable else call_next

    bus = EventBus()
    bus.add_interceptor(locking)
    outbox.attach(bus)
    bus.subscribe(durable)
    with closing(holder):
        async with asyncio.timeout(10), bus:
            await durable.handled.wait()
    assert len(refused) == 1
    done = [("*", "done"), ("tests.Durable", "done")]
    assert rows(f"sqlite:{path}", "handler, state") == done


def test_a_connection_to_another_file_is_refused(tmp_path):
    """Nobody would publish what is added there."""
    outbox = Outbox(url=f"sqlite:{tmp_path / 'outbox.db'}")
    for other in (tmp_path / "other.db", ":memory:"):
        refused = pytest.raises(OutboxError, match=r"outbox\.db.*Set url to the database")
        with closing(sqlite3.connect(other)) as connection, refused:
            outbox.add(created(), connection)


def test_a_connection_to_another_kind_of_database_is_refused(tmp_path):
    """The outbox is in PostgreSQL, and the connection is not."""
    outbox = Outbox(url="postgresql://me:secret@127.0.0.1/shop")
    with closing(sqlite3.connect(":memory:")) as mine, pytest.raises(OutboxError) as refused:
        outbox.add(created(), mine)
    assert "postgresql://127.0.0.1/shop" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("other", [object(), None, "sqlite:outbox.db"])
def test_what_is_no_connection_is_refused(tmp_path, other):
    """The error names those that there are."""
    with pytest.raises(OutboxError, match=r"a sqlite3\.Connection.*is expected, not a"):
        Outbox(url=f"sqlite:{tmp_path / 'outbox.db'}").add(created(), other)


async def test_add_wants_one_that_is_not_awaited(tmp_path):
    """And `add_async` one that is; each names the other."""
    outbox = Outbox(url=f"sqlite:{tmp_path / 'outbox.db'}")
    refused = pytest.raises(OutboxError, match=r"use add$")
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as connection, refused:
        await outbox.add_async(created(), connection)


def test_what_would_not_come_back_is_refused(tmp_path):
    """Nothing is written then."""
    outbox = Outbox(url=f"sqlite:{tmp_path / 'outbox.db'}")
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as connection:
        with pytest.raises(OutboxError, match=r"payload\.at is a tuple"):
            outbox.add(created(at=()), connection)
        assert not connection.in_transaction


async def test_another_writer_between_begin_and_add_is_waited_for(tmp_path):
    """SQLite refuses a transaction that has read before it writes, if another came between."""
    url = f"sqlite:{tmp_path / 'outbox.db'}"
    outbox = Outbox(url=url)
    with by_sqlite3(url) as (connection, _):
        outbox.add(created(), connection)
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        drive(connection, _looking(outbox, url))
        connection.execute("COMMIT")
    assert len(rows(url)) == 3


def _looking(outbox, url):
    """The steps of an event that is added, with another writer before each."""
    from busway_outbox._transactions.adding import _adding

    steps = _adding(outbox._database, created(), outbox._database.dialect)
    found = yield next(steps)
    with by_sqlite3(url) as (connection, _):
        outbox.add(created(), connection)
    with suppress(StopIteration):
        while True:
            found = yield steps.send(found)


async def test_postgresql_tells_the_relay_of_a_commit(postgres, durable):
    """It need not wait for its next look."""
    url = postgres.database()
    outbox, event = Outbox(url=url, poll=1_000.0), created()

    def act():
        with by_psycopg(url) as (connection, _):
            outbox.add(event, connection)

    async with bus_with(outbox, durable):
        await in_thread(act)
        await durable.handled.wait()
    assert durable.got == [event]


async def test_django_tells_the_relay_of_a_commit(tmp_path, durable):
    """If it is of the same process."""
    url = f"sqlite:{tmp_path / 'outbox.db'}"
    outbox, event = Outbox(url=url, poll=1_000.0), created()

    def act():
        with by_django(url) as (connection, _):
            outbox.add(event, connection)

    async with bus_with(outbox, durable) as bus:
        await bus.publish(created())  # the relay has looked, and waits
        await in_thread(act)
        await until(url, [("tests.Durable", "done"), ("*", "done"), ("tests.Durable", "done")])
