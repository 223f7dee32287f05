"""Results: what a publisher is told of each handler."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

import busway
from busway import (
    ANY,
    Event,
    EventBus,
    HandlerCancelledError,
    HandlerError,
    HandlerOutcome,
    PublishResult,
    SkipHandler,
)


class Does:
    """A handler that raises what it is given, or returns."""

    event_types = (ANY,)

    def __init__(self, raised: BaseException | None = None) -> None:
        self.raised = raised

    async def handle(self, event: Event) -> str:
        if self.raised is not None:
            raise self.raised
        return "ignored"


class Stop(BaseException):
    """No Exception, and none of those that leave `publish`."""


async def publish(*handlers: object) -> PublishResult:
    bus = EventBus()
    for handler in handlers:
        bus.subscribe(handler)
    return await bus.publish(Event("user.login"))


async def test_one_outcome_a_handler_in_order():
    """Each has its handler, its status and what it raised."""
    error, cancelled, skip = ValueError("no"), asyncio.CancelledError(), SkipHandler("not today")
    handlers = Does(), Does(error), Does(cancelled), Does(skip)
    result = await publish(*handlers)
    assert result.outcomes == (
        HandlerOutcome(handlers[0], "ok", None),
        HandlerOutcome(handlers[1], "failed", error),
        HandlerOutcome(handlers[2], "cancelled", cancelled),
        HandlerOutcome(handlers[3], "skipped", skip),
    )


async def test_errors_are_the_exceptions_themselves():
    """What is an Exception appears as it was raised; ok and skipped do not appear."""
    first, second = ValueError("no"), KeyError("neither")
    result = await publish(Does(first), Does(), Does(SkipHandler()), Does(second))
    assert (first, second) == result.errors


async def test_a_cancelled_handler_appears_wrapped():
    """`HandlerCancelledError`, the original as its cause, the handler named."""
    original = asyncio.CancelledError("of its own")
    (error,) = (await publish(Does(original))).errors
    assert HandlerCancelledError is type(error)
    assert error.__cause__ is original
    assert "Does" in str(error)


async def test_what_is_no_exception_appears_wrapped():
    """`HandlerError`, the original as its cause; the outcome keeps it as it is."""
    original = Stop()
    result = await publish(Does(original))
    (error,) = result.errors
    assert HandlerError is type(error)
    assert error.__cause__ is original
    assert ("failed", original) == (result.outcomes[0].status, result.outcomes[0].exception)


@pytest.mark.parametrize(
    ("raised", "ok"),
    [
        (None, True),
        (SkipHandler(), True),
        (ValueError(), False),
        (asyncio.CancelledError(), False),
        (Stop(), False),
    ],
)
async def test_ok_tells_whether_all_is_well(raised, ok):
    """A failed or cancelled handler makes it False, a skipped one does not."""
    assert ok is (await publish(Does(), Does(raised))).ok


async def test_no_handlers_is_no_error():
    """Dispatched to nobody is well."""
    result = await publish()
    assert (result.outcomes, result.errors, result.ok) == ((), (), True)
    result.raise_for_errors()


async def test_raise_for_errors_raises_a_group_of_them():
    """An ExceptionGroup of `errors` that names the event."""
    error = ValueError("no")
    result = await publish(Does(), Does(error), Does(asyncio.CancelledError()))
    with pytest.raises(ExceptionGroup, match=f"user.login {result.event.id}") as caught:
        result.raise_for_errors()
    assert caught.value.exceptions[0] is error
    assert [ValueError, HandlerCancelledError] == [type(one) for one in caught.value.exceptions]


async def test_raise_for_errors_raises_nothing_where_there_is_none():
    """Not for what was skipped either."""
    result = await publish(Does(), Does(SkipHandler()))
    assert result.raise_for_errors() is None


async def test_the_event_is_as_the_middleware_left_it():
    """With `blocked_by` None."""
    bus, event = EventBus(), Event("user.login")
    bus.add_middleware(lambda event: event.replace(source="changed"))
    result = await bus.publish(event)
    assert (event.replace(source="changed"), None) == (result.event, result.blocked_by)


async def test_a_blocked_event_is_not_ok():
    """No event, no outcomes, no errors, and the middleware that stopped it."""
    bus, handler = EventBus(), Does(ValueError())

    def stop(event: Event) -> None:
        return None

    bus.subscribe(handler)
    bus.add_middleware(stop)
    result = await bus.publish(Event("user.login"))
    assert (None, stop, (), (), False) == (
        result.event,
        result.blocked_by,
        result.outcomes,
        result.errors,
        result.ok,
    )


async def test_a_result_shows_what_became_of_it():
    """Its repr counts the outcomes, or tells who stopped it."""
    assert (
        repr(await publish(Does(), Does(ValueError())))
        == "<PublishResult user.login ok=1 failed=1>"
    )
    assert repr(await publish()) == "<PublishResult user.login unhandled>"


def test_an_outcome_is_frozen():
    """It is a value."""
    outcome = HandlerOutcome(Does(), "ok")
    with pytest.raises(dataclasses.FrozenInstanceError):
        outcome.status = "failed"


async def test_errors_are_the_same_each_time():
    """What wraps a handler's cancellation is made once."""

    class Cancels:
        event_types = ("user.login",)

        async def handle(self, event):
            raise asyncio.CancelledError

    bus = busway.EventBus()
    bus.subscribe(Cancels())
    result = await bus.publish(busway.Event("user.login"))
    assert isinstance(result.errors[0], busway.HandlerCancelledError)
    assert result.errors[0] is result.errors[0]
