"""What `busway doctor` is told."""

from __future__ import annotations

from tests.outbox.conftest import Durable, bus_with, stopped
from tests.outbox.test_relay import left_behind

from busway import Event
from busway_outbox import Outbox


def test_nothing_is_wrong_with_an_outbox_that_is_not_there(tmp_path):
    """And none is made."""
    assert list(Outbox(url=f"sqlite:{tmp_path / 'none.db'}").busway_diagnose()) == []
    assert list(tmp_path.iterdir()) == []


async def test_dead_and_forgotten_rows_are_told(make, url):
    """Each with the remedy; rows that a process works on, or that wait their time, are well."""
    outbox = make(max_attempts=1)
    async with stopped(outbox):
        await bus_with(outbox, Durable(failures=1)).publish(Event("user.created"))
    left_behind(url, Event("user.login"), handler="tests.Gone", lease=-1_000.0)
    left_behind(url, Event("user.login"), handler="tests.AtWork", lease=100.0)
    dead, forgotten = make().busway_diagnose()
    assert dead.startswith("1 events were given up: busway outbox list --state dead")
    assert forgotten.startswith("1 events user.login are long due for tests.Gone")
    assert "busway outbox discard --handler tests.Gone" in forgotten


def test_a_database_that_refuses_is_told(tmp_path):
    """Without a password."""
    (told,) = Outbox(url="postgresql://me:secret@127.0.0.1:1/shop").busway_diagnose()
    assert told.startswith("the outbox postgresql://127.0.0.1:1/shop refuses")
    assert "secret" not in told
