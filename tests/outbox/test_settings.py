"""The settings: what is refused, and where they come from."""

from __future__ import annotations

import pytest
from tests.outbox.conftest import Durable, rows

from busway import Event, EventBus, load_plugins
from busway_outbox import Outbox
from busway_outbox._backoff import Backoff


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"url": "mysql://shop"}, ValueError, "url: a database on a disk is expected"),
        ({"url": "sqlite:"}, ValueError, "url:"),
        ({"url": "sqlite::memory:"}, ValueError, "url:"),
        ({"url": 7}, TypeError, "url: a str is expected, not int"),
        ({"durable": "shop.Mails"}, TypeError, "durable: a list of handlers' names"),
        ({"durable": [7]}, TypeError, "durable: each name is a str, not int"),
        ({"max_attempts": 0}, ValueError, "max_attempts: must be at least 1, not 0"),
        ({"max_attempts": True}, TypeError, "max_attempts: an int is expected, not bool"),
        ({"batch": 1.5}, TypeError, "batch: an int is expected, not float"),
        ({"lease": 0}, ValueError, "lease: must be at least 0.1 seconds, not 0"),
        ({"poll": float("inf")}, ValueError, "poll: must be at least 0.01 seconds, not inf"),
        ({"keep_done": -1}, ValueError, "keep_done: must be at least 0 seconds"),
        ({"wait_max": "5"}, TypeError, "wait_max: a number is expected, not str"),
        ({"relay": 1}, TypeError, "relay: a bool is expected, not int"),
    ],
)
def test_a_bad_setting_is_refused_by_name(settings, error, told):
    """With what would do."""
    with pytest.raises(error) as refused:
        Outbox(**settings)
    assert told in str(refused.value)


def test_a_refused_url_is_not_shown():
    """It may hold a password."""
    with pytest.raises(ValueError, match="url") as refused:
        Outbox(url="mysql://me:secret@db/shop")
    assert "secret" not in str(refused.value)


async def test_it_is_loaded_as_a_plugin(tmp_path, monkeypatch):
    """Settings from the file, a secret from the environment; the instance is in the report."""
    url = f"sqlite:{tmp_path / 'shop.db'}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTBOX_URL", url)
    (tmp_path / "busway.toml").write_text(
        '[plugins.outbox]\nurl = {env = "OUTBOX_URL"}\ndurable = ["*.Durable"]\npoll = 0.02\n'
    )
    bus, handler = EventBus(), Durable(failures=1)
    handler.durable = False
    bus.subscribe(handler)
    row = load_plugins(bus, allow=["outbox"], strict=True)["outbox"]
    assert isinstance(row.provided[0], Outbox)
    assert "shop.db" not in str(row.settings)
    async with bus:
        await bus.publish(Event("user.created"))
        assert (await bus.publish(Event("outbox.added"))).ok
    assert rows(url, "handler") == [("tests.Durable",)]


def test_an_outbox_is_shown_without_its_url():
    """In a log, say."""
    assert "secret" not in repr(Outbox(url="postgresql://me:secret@db/shop"))


def test_the_backoff_is_stamina_s():
    """The very function, without jitter, over its whole range."""
    from stamina import _core

    for initial, most in ((0.1, 5.0), (1.0, 300.0), (7.0, 10.0)):
        for attempts in (1, 2, 3, 10, 50, 5_000):
            theirs = _core._compute_backoff(attempts, most, initial, 2, 0)
            assert Backoff(initial, most, 0.0).seconds(attempts) == theirs


def test_jitter_spreads_what_failed_together():
    """Between none of it and all of it."""
    waits = [Backoff(1.0, 300.0, 1.0).seconds(1) for _ in range(100)]
    assert len(set(waits)) > 50
    assert all(1.0 <= one <= 2.0 for one in waits)
