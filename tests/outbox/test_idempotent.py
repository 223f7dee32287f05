"""An effect, once for each event."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing

import psycopg
import pytest
from tests.outbox.conftest import Durable
from tests.outbox.test_add import RolledBack, by_async_psycopg, by_async_session, way

from busway import Event
from busway_outbox import OutboxError, idempotent

__all__ = ["way"]


def created(**payload):
    return Event("user.created", payload)


class Effect:
    """Counts its calls; a method, to show that those can be guarded."""

    def __init__(self, fails=False):
        self.fails = fails
        self.calls = 0

    @idempotent
    def have(self, event, connection, more=0):
        self.calls += 1
        if self.fails:
            raise RolledBack
        return 7 + more


def test_it_is_had_once(url, way):
    """However often it is called, in however many transactions; then it returns None."""
    effect, event, told = Effect(), created(), []
    for _ in range(3):
        with way(url) as (connection, _):
            told.append(effect.have(event, connection, more=1))
    assert (told, effect.calls) == ([8, None, None], 1)


def test_it_is_had_again_if_it_was_rolled_back(url, way):
    """The key was in the same transaction."""
    effect, event = Effect(), created()
    with pytest.raises(RolledBack), way(url) as (connection, _):  # noqa: PT012 - the block is the transaction
        effect.have(event, connection)
        raise RolledBack
    with way(url) as (connection, _):
        assert effect.have(event, connection) == 7
    assert effect.calls == 2


def test_one_that_raises_is_had_again(url, way):
    """Even if the caller commits what there is."""
    effect, event = Effect(fails=True), created()
    with way(url) as (connection, _), pytest.raises(RolledBack):
        effect.have(event, connection)
    effect.fails = False
    with way(url) as (connection, _):
        assert effect.have(event, connection) == 7


def test_each_event_and_each_function_has_its_own(tmp_path):
    """The key is both."""
    had = []

    @idempotent
    def one(event, connection):
        had.append("one")

    @idempotent
    def other(event, connection):
        had.append("other")

    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        for event in (created(), created()):
            one(event, connection)
            other(event, connection)
    assert had == ["one", "other"] * 2


def test_each_handler_has_its_own(tmp_path):
    """Though it has inherited the method."""

    class One(Durable):
        name = "tests.One"

        @idempotent
        def have(self, event, connection):
            return self.name

    class Other(One):
        name = "tests.Other"

    event = created()
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        told = [one.have(event, connection) for one in (One(), Other(), One())]
    assert told == ["tests.One", "tests.Other", None]


@pytest.mark.parametrize("way", [by_async_psycopg, by_async_session])
async def test_an_async_effect_is_had_once(postgres, way):
    """By a connection that is awaited."""
    url, event, had = postgres.database(), created(), []

    @idempotent
    async def have(event, connection):
        await asyncio.sleep(0)
        had.append(event)
        return 7

    told = []
    for _ in range(2):
        async with way(url) as connection:
            told.append(await have(event, connection))
    assert (told, had) == ([7, None], [event])


def test_two_at_once_have_one_effect(postgres):
    """The second waits for the first, and sees that it is done."""
    url, event, effect = postgres.database(), created(), Effect()
    told = []

    def have():
        with psycopg.connect(url) as connection:
            told.append(effect.have(event, connection))

    with psycopg.connect(url) as first:
        told.append(effect.have(event, first))
        thread = threading.Thread(target=have)
        thread.start()
    thread.join()
    assert (told, effect.calls) == ([7, None], 1)


def test_what_lacks_a_parameter_is_refused():
    """When it is defined."""
    with pytest.raises(TypeError, match="no parameter 'connection'"):

        @idempotent
        def have(event):
            pass


def test_what_is_no_event_or_no_connection_is_refused():
    """When it is called."""
    with pytest.raises(TypeError, match="an Event is expected, not str"):
        Effect().have("user.created", None)
    with pytest.raises(OutboxError, match="is expected, not a NoneType"):
        Effect().have(created(), None)


def test_without_a_transaction_it_is_refused(tmp_path, postgres):
    """The key would be committed alone: a crash before the effect, and that would never be had."""
    effect, event, url = Effect(), created(), postgres.database()
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(OutboxError, match="in no transaction"):
            effect.have(event, connection)
        connection.execute("BEGIN")
        assert effect.have(event, connection) == 7
    with psycopg.connect(url, autocommit=True) as connection:
        with pytest.raises(OutboxError, match="in no transaction"):
            effect.have(event, connection)
        with connection.transaction():
            assert effect.have(event, connection) == 7
