"""What the read model promises."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from busway import Event, EventBus, PublishResult
from busway_testing import HandlerConformance

from sqlite_projection import LoginCounts

ADA = {"user_id": "ada"}


class TestConformance(HandlerConformance):
    """What is asked of every handler."""

    plugin = "logins"
    event = Event("user.login", ADA)


def login(user_id: str = "ada") -> Event:
    """Somebody logs in."""
    return Event("user.login", {"user_id": user_id})


async def published(bus: EventBus, *events: Event) -> list[PublishResult]:
    """Publish them with a handler of the default file, from its start to its stop."""
    with bus.subscribed(LoginCounts()):
        async with bus:
            return [await bus.publish(event) for event in events]


async def counts() -> dict[str, int]:
    """What is in the file, as a handler made now reads it."""
    reader = LoginCounts()
    try:
        return dict(await reader.top())
    finally:
        await reader.stop()


async def test_logins_are_counted_by_user(bus: EventBus) -> None:
    """Each in its own row."""
    await published(bus, login("ada"), login("bob"), login("ada"))
    assert await counts() == {"ada": 2, "bob": 1}


async def test_what_was_counted_survives_a_restart(bus: EventBus) -> None:
    """And is counted on."""
    await published(bus, login())
    await published(bus, login())
    assert await counts() == {"ada": 2}


async def test_an_event_counts_once(bus: EventBus) -> None:
    """However often it is published, before and after a restart."""
    event = login()
    await published(bus, event, event)
    (result,) = await published(bus, event)
    assert result.ok
    assert await counts() == {"ada": 1}


async def test_the_latest_login_is_kept(bus: EventBus) -> None:
    """Whatever the order in which they come."""
    late, early = login(), login()
    early = Event.from_dict(early.to_dict() | {"timestamp": "2001-02-03T04:05:06+02:00"})
    await published(bus, late, early)
    with closing(sqlite3.connect("logins.sqlite3")) as database:
        assert database.execute("SELECT last FROM logins").fetchall() == [
            (late.timestamp.isoformat(timespec="microseconds"),)
        ]


async def test_a_failed_update_leaves_nothing(bus: EventBus) -> None:
    """So the event can be delivered again, and counts then."""
    handler, event = LoginCounts(), login()
    bus.subscribe(handler)
    async with bus:
        with closing(sqlite3.connect("logins.sqlite3")) as database:
            database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON logins "
                "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
            (error,) = (await bus.publish(event)).errors
            assert "disk full" in str(error)
            database.execute("DROP TRIGGER full")
        assert (await bus.deliver(event, handler)).status == "ok"
    assert await counts() == {"ada": 1}


async def test_the_loop_does_not_wait_for_the_disk(bus: EventBus) -> None:
    """While another process holds the file, other events are handled."""
    seen = asyncio.Event()

    class Other:
        event_types = ("user.logout",)

        def handle(self, event: Event) -> None:
            seen.set()

    bus.subscribe(LoginCounts())
    bus.subscribe(Other())
    async with bus:
        with closing(sqlite3.connect("logins.sqlite3", isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            waiting = bus.publish_soon(login())
            await bus.publish(Event("user.logout", ADA))
            assert seen.is_set()
            assert not waiting.done()
            database.execute("ROLLBACK")
        assert (await waiting).ok


@pytest.mark.parametrize("payload", [{}, {"user_id": 7}])
async def test_a_login_of_nobody_fails_alone(bus: EventBus, payload: dict[str, object]) -> None:
    """It is named, and the next one counts."""
    bad, good = await published(bus, Event("user.login", payload), login())
    assert [str(error).partition(":")[0] for error in bad.errors] == ["user_id"]
    assert good.ok
    assert await counts() == {"ada": 1}


async def test_a_file_that_cannot_be_opened_is_named(bus: EventBus, folder: Path) -> None:
    """At the start, in the bus's health; the bus runs without the handler."""
    path = folder / "missing" / "logins.sqlite3"
    with bus.subscribed(LoginCounts(path)):
        async with bus:
            (told,) = bus.health().values()
            assert (await bus.publish(login())).ok
    assert str(path) in str(told["error"])


async def test_its_health_tells_what_it_did(bus: EventBus, folder: Path) -> None:
    """Counted, passed over, and where."""
    handler, event = LoginCounts(), login()
    with bus.subscribed(handler):
        async with bus:
            await bus.publish_many([event, event, login("bob")])
    path = str(folder / "logins.sqlite3")
    assert handler.health() == {"counted": 2, "repeated": 1, "path": path}
