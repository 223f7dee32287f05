"""Retries: what is tried again, how often, after which pauses."""

from __future__ import annotations

import asyncio

import pytest
import stamina

from busway import BusClosedError, Event, PublishDepthError, SkipHandler
from busway_resilience import CircuitOpenError, RetryInterceptor

EVENT = "user.login"
NOW = {"retry_wait": 0, "retry_jitter": 0}


def retrying(retries=3, **settings):
    return RetryInterceptor(retries=retries, **{**NOW, **settings})


async def test_a_handler_that_fails_is_called_again(bus, hear, fails, outcome):
    """Until it returns."""
    function = fails(ConnectionError("one"), ValueError("two"))
    bus.add_interceptor(retrying())
    hear(function)
    assert outcome(await bus.publish(Event(EVENT))) == ("ok", None)
    assert function.calls == 3
    assert bus.health()["retry"] == {"retries_worker": 2}


async def test_the_last_error_is_the_outcome(bus, hear, fails, outcome):
    """The very one, after so many tries more."""
    errors = [ConnectionError(str(number)) for number in range(4)]
    function = fails(*errors)
    bus.add_interceptor(retrying())
    hear(function)
    assert outcome(await bus.publish(Event(EVENT))) == ("failed", errors[3])
    assert function.calls == 4


@pytest.mark.parametrize(
    ("on", "error", "again"),
    [
        (["ConnectionError"], ConnectionResetError(), True),
        (["ConnectionError"], TimeoutError(), False),
        ([ConnectionError, "TimeoutError"], TimeoutError(), True),
        (["json.JSONDecodeError"], ValueError(), False),
        (["busway.EventError"], ValueError(), False),
        (["OSError"], ExceptionGroup("two", [TimeoutError(), ConnectionError()]), True),
        (["OSError"], ExceptionGroup("two", [TimeoutError(), ValueError()]), False),
        ([], ValueError(), False),
    ],
)
async def test_only_what_is_named_is_tried_again(bus, hear, fails, on, error, again):
    """By class or by name; of a group, all must be such."""
    function = fails(error)
    bus.add_interceptor(retrying(retry_on=on))
    hear(function)
    await bus.publish(Event(EVENT))
    assert function.calls == 1 + again


@pytest.mark.parametrize(
    "error",
    [
        SkipHandler("not now"),
        CircuitOpenError("worker", 1.0, "5 failures"),
        BusClosedError("closed"),
        PublishDepthError(EVENT, 32),
        asyncio.CancelledError(),
    ],
)
async def test_what_says_nothing_of_the_handler_is_not_retried(bus, hear, fails, outcome, error):
    """It is the outcome, the very one."""
    function = fails(error)
    bus.add_interceptor(retrying(retry_on=[Exception]))
    hear(function)
    assert outcome(await bus.publish(Event(EVENT)))[1] is error
    assert function.calls == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_passes(bus, hear, fails, error):
    """It is not the handler's."""
    function = fails(error())
    bus.add_interceptor(retrying())
    hear(function)
    with pytest.raises(error):
        await bus.publish(Event(EVENT))
    assert function.calls == 1


@pytest.fixture
def pauses():
    """The pauses between tries, as stamina tells them."""
    found = []
    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([found.append])
    yield found
    stamina.instrumentation.set_on_retry_hooks(before)


async def test_pauses_grow_up_to_a_limit(bus, hear, fails, pauses):
    """Twice as long each time."""
    bus.add_interceptor(
        retrying(5, retry_wait=0.0001, retry_max_wait=0.0004, retry_on=["ValueError"])
    )
    hear(fails(*(ValueError() for _ in range(5))))
    await bus.publish(Event(EVENT))
    waited = [details.wait_for for details in pauses]
    assert waited == pytest.approx([0.0001, 0.0002, 0.0004, 0.0004, 0.0004])


async def test_pauses_differ(bus, hear, fails, pauses):
    """So that many that failed at once do not come back at once."""
    bus.add_interceptor(retrying(20, retry_wait=0, retry_jitter=0.0001))
    hear(fails(*(ValueError() for _ in range(20))))
    await bus.publish(Event(EVENT))
    waited = [details.wait_for for details in pauses]
    assert len(set(waited)) > 10
    assert all(0 <= one <= 0.0001 for one in waited)


async def test_hooks_are_not_given_the_event(bus, hear, fails, pauses):
    """Stamina's log would show its payload."""
    bus.add_interceptor(retrying())
    hear(fails(ValueError()))
    await bus.publish(Event(EVENT, {"password": "s3cret-canary"}))
    assert [(details.args, details.kwargs) for details in pauses] == [((), {})]


async def test_cancelling_the_publisher_ends_a_pause(bus, hear, fails, pauses):
    """At once; no further try is made."""
    function, paused = fails(ValueError()), asyncio.Event()
    stamina.instrumentation.set_on_retry_hooks([lambda details: paused.set()])
    bus.add_interceptor(RetryInterceptor(retries=3, retry_wait=3600, retry_max_wait=3600))
    hear(function)
    task = asyncio.create_task(bus.publish(Event(EVENT)))
    await paused.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert function.calls == 1


async def test_stamina_can_be_switched_off(bus, hear, fails, outcome):
    """As its own documentation has it, for the tests of an application."""
    function = fails(ValueError())
    bus.add_interceptor(retrying())
    hear(function)
    stamina.set_active(False)
    try:
        assert outcome(await bus.publish(Event(EVENT)))[0] == "failed"
    finally:
        stamina.set_active(True)
    assert function.calls == 1


def test_a_module_of_an_error_that_breaks_is_named(tmp_path, monkeypatch):
    """Whatever it raises when it is imported."""
    (tmp_path / "breaks_at_import.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"^retry_on: 'breaks_at_import\.Error'"):
        RetryInterceptor(retries=1, retry_on=["breaks_at_import.Error"])


@pytest.mark.parametrize(
    ("settings", "error", "culprit"),
    [
        ({"retries": 0}, ValueError, "retries: at least 1"),
        ({"retries": True}, TypeError, "retries: "),
        ({"retry_on": "OSError"}, TypeError, "retry_on: a list"),
        ({"retry_on": ["NoSuchError"]}, ValueError, "retry_on: 'NoSuchError'"),
        ({"retry_on": ["no.such.Error"]}, ValueError, "retry_on: 'no.such.Error'"),
        ({"retry_on": ["KeyboardInterrupt"]}, ValueError, "retry_on: "),
        ({"retry_on": ["len"]}, ValueError, "retry_on: "),
        ({"retry_on": [""]}, ValueError, "retry_on: "),
        ({"retry_wait": -1}, ValueError, "retry_wait: "),
        ({"retry_max_wait": "5"}, TypeError, "retry_max_wait: "),
        ({"retry_jitter": float("inf")}, ValueError, "retry_jitter: "),
        ({"retry_jitter": float("nan")}, ValueError, "retry_jitter: "),
        ({"retry_jitter": 10**400}, ValueError, "retry_jitter: "),
    ],
)
def test_a_setting_that_is_wrong_is_named(settings, error, culprit):
    """With what is expected."""
    with pytest.raises(error, match=f"^{culprit}"):
        RetryInterceptor(**{"retries": 1, **settings})
