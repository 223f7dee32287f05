"""The outbox and `kill -9`, at every step of publish, record, handle and done.

A process publishes to a durable handler whose effect is idempotent, to one whose is not, and to
one that fails at first; and adds an event in a transaction of its own. It dies before or after a
statement, `BEGIN` and `COMMIT` among them, or before or after the effect of a handler: at the
first such step, at the second, and so on, until it gets to its end. Another process goes on then.

What `publish()` had returned for is handled by each durable handler; what was added is handled if,
and only if, its transaction was committed; nothing that is idempotent is done twice.

In the pieces named `twice`, who goes on dies, too, wherever he has got to, before a third does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from tests.audit.trail import fork
from tests.outbox.crashing import Steps
from tests.outbox.servers import Postgres, missing

from busway import Event, EventBus
from busway.handlers import EventHandler
from busway_outbox import Outbox, idempotent

__all__ = ["pieces", "run", "sample"]

SHARDS = 12
PUBLISHED = 3
LEASE = 0.25  # seconds
HANDLERS = ("plain", "once", "flaky")


def pieces() -> list[str]:
    """Both databases, both ways, in shards."""
    return [
        f"{database} {way} {shard}/{SHARDS}"
        for database in ("sqlite", "postgresql")
        for way in ("once", "twice")
        for shard in range(1, SHARDS + 1)
    ]


def sample(seed: int) -> list[str]:
    """One of each database."""
    chosen = random.Random(seed)
    names = ["sqlite"] if missing() else ["sqlite", "postgresql"]
    return [chosen.choice([one for one in pieces() if one.startswith(name)]) for name in names]


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is logged: failures are the point here."""
    log = logging.getLogger("busway")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def run(piece: str) -> dict[str, int]:
    """Die at each step of a shard.

    Raises:
        AssertionError: if an event is lost, or an idempotent effect is had twice.
    """
    database, way, shard = piece.split()
    number, of = map(int, shard.split("/"))
    chosen = random.Random(piece)
    with _quiet(), _databases(database) as new:
        proof = _Proof(new, twice=way == "twice", chosen=chosen)
        step = number
        while proof.dies_at(step):
            step += of
        return dict(proof.counts)


@contextmanager
def _databases(kind: str) -> Iterator[Any]:
    """What makes a new database each time it is called."""
    if kind == "postgresql":
        with Postgres(fsync=True) as server:
            url = server.database()
            yield lambda: _emptied(url)
        return
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(1_000_000))
        yield lambda: f"sqlite:{Path(folder) / f'{next(numbers)}.db'}"


def _emptied(url: str) -> str:
    """A database as if it were new; to make one takes longer than all the rest."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


class _Shop:
    """The application's own tables, in the database of the outbox.

    Args:
        url: where.
        steps: what ends the process at one of them.
    """

    def __init__(self, url: str, steps: Steps) -> None:
        self.url = url
        self.steps = steps
        self.mark = "?" if url.startswith("sqlite") else "%s"

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        if self.url.startswith("sqlite"):
            path = self.url.removeprefix("sqlite:")
            with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
                yield connection
        else:
            with psycopg.connect(self.url) as connection:
                yield connection

    def create(self) -> None:
        with self.transaction() as connection:
            connection.execute("CREATE TABLE effects (event_id TEXT, handler TEXT)")
            connection.execute("CREATE TABLE orders (event_id TEXT)")

    def note(self, connection: Any, table: str, *values: str) -> None:
        self.steps.step()
        marks = ", ".join(self.mark for _ in values)
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)
        self.steps.step()

    def read(self, query: str) -> list[tuple[Any, ...]]:
        with self.transaction() as connection:
            return list(connection.execute(query).fetchall())


class _Plain(EventHandler):
    """An effect that nothing guards."""

    durable = True
    event_types = ("item.created",)
    name = "plain"

    def __init__(self, shop: _Shop) -> None:
        self._shop = shop

    async def handle(self, event: Event) -> None:
        with self._shop.transaction() as connection:
            self._shop.note(connection, "effects", event.id, self.name)
        await asyncio.sleep(0)


class _Once(_Plain):
    """One that is idempotent."""

    name = "once"

    async def handle(self, event: Event) -> None:
        with self._shop.transaction() as connection:
            self.effect(event, connection)

    @idempotent
    def effect(self, event: Event, connection: Any) -> None:
        self._shop.note(connection, "effects", event.id, self.name)


class _Flaky(_Once):
    """One that is idempotent, and fails at its first attempt in a process."""

    name = "flaky"

    def __init__(self, shop: _Shop) -> None:
        super().__init__(shop)
        self._tried: set[str] = set()

    async def handle(self, event: Event) -> None:
        if event.id not in self._tried:
            self._tried.add(event.id)
            raise ConnectionError("not yet")
        await super().handle(event)


def _bus(shop: _Shop) -> tuple[EventBus, Outbox]:
    outbox = Outbox(url=shop.url, lease=LEASE, poll=0.02, wait_initial=0.01, wait_jitter=0.0)
    bus = EventBus(drain_timeout=60.0)
    outbox.attach(bus)
    for kind in (_Plain, _Once, _Flaky):
        bus.subscribe(kind(shop))
    return bus, outbox


async def _publish(shop: _Shop, told: int) -> None:
    """The process that dies: it tells by a pipe what `publish()` has returned for."""
    bus, outbox = _bus(shop)
    async with bus:
        added = Event("item.created")
        with shop.transaction() as connection:
            outbox.add(added, connection)
            shop.note(connection, "orders", added.id)

        async def publish() -> None:
            event = Event("item.created")
            result = await bus.publish(event)
            assert [one.status for one in result.outcomes] == ["ok", "ok", "failed"]
            os.write(told, f"{event.id}\n".encode())
            shop.steps.step()

        await asyncio.gather(*(publish() for _ in range(PUBLISHED)))
        await _settled(shop)


async def _go_on(shop: _Shop) -> None:
    bus, _ = _bus(shop)
    async with bus:
        await _settled(shop)


async def _settled(shop: _Shop) -> None:
    """Wait until nothing is left to be done."""
    live = "SELECT count(*) FROM busway_outbox WHERE state <> 'done'"
    table = "SELECT count(*) FROM sqlite_master WHERE name = 'busway_outbox'"
    if not shop.url.startswith("sqlite"):
        table = "SELECT count(*) FROM pg_tables WHERE tablename = 'busway_outbox'"
    async with asyncio.timeout(60):
        while shop.read(table) != [(0,)] and shop.read(live) != [(0,)]:
            await asyncio.sleep(0.02)


class _Proof:
    """What is tried in one piece."""

    def __init__(self, new: Any, *, twice: bool, chosen: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._new = new
        self._twice = twice
        self._chosen = chosen

    def dies_at(self, step: int) -> bool:
        """Whether there is such a step; if so, all that is claimed was seen to hold after it."""
        shop = _Shop(self._new(), Steps(0))
        shop.create()
        told, survived = _in_child(lambda pipe: _publish(_dying(shop, step), pipe))
        if self._twice and not survived:
            later = self._chosen.randrange(1, 120)
            _in_child(lambda _: _go_on(_dying(shop, later)))
            self.counts["deaths"] += 1
        _, settled = _in_child(lambda _: _go_on(shop))
        assert settled, "it did not go on"
        self._check(shop, told.decode().split())
        self.counts["deaths"] += not survived
        return not survived

    def _check(self, shop: _Shop, acknowledged: list[str]) -> None:
        ordered = [one for (one,) in shop.read("SELECT event_id FROM orders")]
        effects = Counter(shop.read("SELECT event_id, handler FROM effects"))
        for event_id in (*acknowledged, *ordered):
            for handler in HANDLERS:
                assert effects[event_id, handler] >= 1, f"{handler} has lost {event_id}"
        for (event_id, handler), count in effects.items():
            assert handler == "plain" or count == 1, f"{handler} had {event_id} {count} times"
        published = {event_id for event_id, _ in effects}
        assert len(published) <= PUBLISHED + 1
        self.counts["acknowledged events"] += len(acknowledged)
        self.counts["added events"] += len(ordered)
        self.counts["effects"] += sum(effects.values())
        self.counts["duplicates"] += sum(effects.values()) - len(effects)
        self.counts["lost"] += 0


def _dying(shop: _Shop, step: int) -> _Shop:
    """In the child: the shop, and a process that dies at a step."""
    steps = Steps(step)
    steps.install()
    return _Shop(shop.url, steps)


def _in_child(make: Any) -> tuple[bytes, bool]:
    """Run a coroutine in a forked process: what it told by a pipe, and whether it survived."""
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            asyncio.run(make(writing))
            code = 0
        except BaseException:
            logging.getLogger("proof").exception("a process failed")
        finally:
            os._exit(code)
    os.close(writing)
    told = b""
    while more := os.read(reading, 65_536):
        told += more
    os.close(reading)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a process failed: see the log"
    return told, not os.WIFSIGNALED(status)
