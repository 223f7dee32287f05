"""Databases to keep an outbox in: a file, and a server of PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.outbox.servers import Postgres, missing

from busway import Event, EventBus
from busway.handlers import EventHandler
from busway_outbox import Outbox

QUICK = {"wait_initial": 0.01, "wait_jitter": 0.0, "poll": 0.02}
"""Settings with which nobody waits long for another attempt."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server that all tests share, each with a database of its own."""
    if missing():
        pytest.skip(missing())
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the outbox of a test is: once in a file, once in a server."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'outbox.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


class Durable(EventHandler):
    """A durable handler that fails as often as it is told to, and notes what it got."""

    name = "tests.Durable"
    durable = True
    event_types = ("user.created", "user.login")

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.got: list[Event] = []
        self.handled = asyncio.Event()

    async def handle(self, event: Event) -> None:
        self.got.append(event)
        if len(self.got) <= self.failures:
            raise ValueError("not yet")
        self.handled.set()


class Gate(Durable):
    """One that waits in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()

    async def handle(self, event: Event) -> None:
        self.entered.set()
        await self.opened.wait()
        await super().handle(event)


@pytest.fixture
async def durable() -> Durable:
    return Durable()


@pytest.fixture
async def gate() -> Gate:
    return Gate()


def bus_with(outbox: Outbox, *handlers: Any) -> EventBus:
    bus = EventBus()
    outbox.attach(bus)
    for one in handlers:
        bus.subscribe(one)
    return bus


@pytest.fixture
def make(url: str) -> Callable[..., Outbox]:
    """Makes outboxes that share one database."""

    def make(**settings: Any) -> Outbox:
        return Outbox(**{"url": url, **QUICK, **settings})

    return make


def rows(url: str, columns: str = "handler, state, attempts") -> list[tuple[Any, ...]]:
    """What stands in the database, as another process sees it."""
    query = f"SELECT {columns} FROM busway_outbox ORDER BY seq"
    scheme, _, path = url.partition(":")
    if scheme == "sqlite":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


async def until(url: str, wanted: list[tuple[Any, ...]], columns: str = "handler, state") -> None:
    """Wait until the database holds this."""
    async with asyncio.timeout(20):
        while (found := rows(url, columns)) != wanted:
            await asyncio.sleep(0.01)
    assert found == wanted


@asynccontextmanager
async def stopped(*outboxes: Outbox) -> Any:
    """Stop them at the end."""
    try:
        yield
    finally:
        for one in outboxes:
            await one.stop()
