"""The handler: channels that fail, cancellation, threads, and what it says of itself."""

import asyncio
import doctest
import json
import sys
import threading

import pytest

import busway_notify
from busway.events import Event, EventType
from busway_notify import ChannelError, NotificationHandler, handler
from busway_notify.channels import open_channels


def created():
    return Event("user.created", {"email": "ada@example.org"})


def critical(message="gone"):
    return Event("error.occurred", {"severity": "critical", "message": message})


def failed(address="10.0.0.1"):
    return Event("user.login_failed", {"ip_address": address})


def test_it_wants_three_types():
    """And no others."""
    wanted = {EventType.USER_CREATED, EventType.USER_LOGIN_FAILED, EventType.ERROR_OCCURRED}
    assert set(NotificationHandler().event_types) == wanted


async def test_each_event_goes_to_its_rule(recorder):
    """A new user, an attack and a critical error make one notification each."""
    handler = NotificationHandler(channels=[recorder], threshold=1)
    for event in (created(), failed(), critical(), Event("user.login")):
        await handler.handle(event)
    assert [each.kind for each in recorder.sent] == ["welcome", "brute_force", "critical_error"]


async def test_all_urls_are_delivered_within_handle(tmp_path, caplog):
    """When `handle` returns, the line is in the file and the record in the log."""
    handler = NotificationHandler(channels=["log:", f"jsonl:{tmp_path}/alerts.jsonl"])
    await handler.handle(critical())
    assert json.loads((tmp_path / "alerts.jsonl").read_text())["kind"] == "critical_error"
    assert "critical_error" in caplog.text


async def test_a_failing_channel_is_an_error_that_names_it(recorder, refuser):
    """Its own error is the cause; the channels before and behind it got the notification."""
    second = type(recorder)("second:")
    handler = NotificationHandler(channels=[recorder, refuser, second])
    event = critical()
    with pytest.raises(ChannelError, match=r"'refuser:'.*nobody listens") as caught:
        await handler.handle(event)
    assert caught.value.__cause__ is refuser.error
    assert (caught.value.channel, caught.value.event_id) == ("refuser:", event.id)
    assert caught.value.kind == "critical_error"
    assert len(recorder.sent) == len(second.sent) == 1


async def test_several_failing_channels_are_a_group(recorder, make_refuser):
    """All are named, and all others were tried."""
    handler = NotificationHandler(channels=[make_refuser("one:"), recorder, make_refuser("two:")])
    with pytest.raises(ExceptionGroup, match="'one:', 'two:'") as caught:
        await handler.handle(created())
    assert [error.channel for error in caught.value.exceptions] == ["one:", "two:"]
    assert len(recorder.sent) == 1


async def test_an_error_whose_text_cannot_be_had_is_told(make_refuser):
    """What a channel raises is its own matter, down to `__str__`."""

    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    handler = NotificationHandler(channels=[make_refuser(error=MuteError())])
    with pytest.raises(ChannelError, match="<MuteError>"):
        await handler.handle(created())


async def test_an_alert_that_no_channel_took_is_tried_at_the_next_event(refuser):
    """The cooldown of an alert that failed everywhere is undone."""
    handler = NotificationHandler(channels=[refuser])
    with pytest.raises(ChannelError):
        await handler.handle(critical())
    refuser.error = None
    await handler.handle(critical())
    assert len(refuser.sent) == 1
    assert handler.health()["failed_critical_error"] == 1
    assert handler.health()["sent_critical_error"] == 1


async def test_an_alert_that_one_channel_took_is_not_sent_again(recorder, refuser):
    """The cooldown stands, and the failure has been seen."""
    handler = NotificationHandler(channels=[recorder, refuser])
    with pytest.raises(ChannelError):
        await handler.handle(critical())
    await handler.handle(critical())
    assert len(recorder.sent) == 1
    assert handler.health()["suppressed_critical_error"] == 1


async def test_what_comes_while_an_alert_is_on_its_way_is_held_back(gate):
    """The cooldown begins when the alert is sent off, not when it has arrived."""
    handler = NotificationHandler(channels=[gate])
    first = asyncio.create_task(handler.handle(critical()))
    await gate.entered.wait()
    await handler.handle(critical())
    gate.opened.set()
    await first
    assert len(gate.sent) == 1


async def test_cancellation_passes_and_the_alert_is_not_lost(gate):
    """A handler cancelled amid its only channel ends cancelled; the next event alerts."""
    handler = NotificationHandler(channels=[gate])
    task = asyncio.create_task(handler.handle(critical()))
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.opened.set()
    await handler.handle(critical())
    assert len(gate.sent) == 1
    assert handler.health()["failed_critical_error"] == 1


async def test_cancellation_after_a_channel_took_it_leaves_the_cooldown(recorder, gate):
    """What has been sent is not sent twice."""
    handler = NotificationHandler(channels=[recorder, gate])
    task = asyncio.create_task(handler.handle(critical()))
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await handler.handle(critical())
    assert len(recorder.sent) == 1


async def test_health_counts_everything(recorder):
    """Each count by its name; those of both alert rules' memories are added up."""
    handler = NotificationHandler(channels=[recorder], threshold=2, max_keys=2)
    events = [
        created(),
        Event("user.created"),
        *(failed() for _ in range(3)),
        *(failed(address) for address in "ab"),
        Event("user.login_failed"),
        critical(),
        critical(),
    ]
    for event in events:
        await handler.handle(event)
    assert handler.health() == {
        "sent_welcome": 1,
        "sent_brute_force": 1,
        "sent_critical_error": 1,
        "failed_welcome": 0,
        "failed_brute_force": 0,
        "failed_critical_error": 0,
        "failed_sends": 0,
        "skipped_welcome": 1,
        "skipped_brute_force": 1,
        "suppressed_brute_force": 1,
        "suppressed_critical_error": 1,
        "tracked_keys": 3,
        "evicted_keys": 1,
    }


async def test_failed_sends_are_counted(recorder, refuser):
    """One channel of two failed: one failed send, and a notification that was sent."""
    handler = NotificationHandler(channels=[recorder, refuser])
    with pytest.raises(ChannelError):
        await handler.handle(created())
    health = handler.health()
    assert (health["failed_sends"], health["sent_welcome"], health["failed_welcome"]) == (1, 1, 0)


def test_threads_with_loops_of_their_own_share_one_handler(recorder):
    """Eight loops, 500 failures each of one address: one alert, and every other counted."""
    handler = NotificationHandler(channels=[recorder], threshold=1, cooldown=86_400)

    async def attack():
        for _ in range(500):
            await handler.handle(failed())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=lambda: asyncio.run(attack())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(recorder.sent) == 1
    assert handler.health()["suppressed_brute_force"] == 8 * 500 - 1


def test_the_exported_names_are_true():
    """`__all__` is sorted, and every name in it is there."""
    names = busway_notify.__all__
    assert names == sorted(names)
    assert all(hasattr(busway_notify, name) for name in names)


def test_the_docstring_is_true():
    """The example in the handler's docstring runs."""
    assert doctest.testmod(handler).failed == 0


def test_the_default_channels_are_not_shared():
    """Two handlers hold two channels."""
    [one], [other] = open_channels(None), open_channels(None)
    assert one is not other
