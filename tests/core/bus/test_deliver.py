"""deliver: one event to one handler, interceptors and all, past the middleware."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest

from busway import BusClosedError, Event, EventBus, EventType, HandlerOutcome, SkipHandler


async def test_only_to_that_handler(bus, hear):
    """Only the handler given is run; its outcome is returned."""
    seen, others = [], []
    hear(others.append)
    handler = hear(seen.append)
    event = Event("user.login")
    outcome = await bus.deliver(event, handler)
    assert (seen, others) == ([event], [])
    assert isinstance(outcome, HandlerOutcome)
    assert (outcome.handler, outcome.status, outcome.exception) == (handler, "ok", None)


async def test_handler_that_is_not_subscribed(bus):
    """The handler need not be subscribed, and is not afterwards."""
    handler = Mock(event_types=["user.login"], handle=AsyncMock())
    event = Event("user.login")
    assert (await bus.deliver(event, handler)).status == "ok"
    handler.handle.assert_awaited_once_with(event)
    assert bus.handlers == ()


async def test_whatever_the_type(bus, hear):
    """It is for retries and resubmission: the handler's types are not asked."""
    seen = []
    handler = hear(seen.append, EventType.USER_LOGOUT)
    await bus.deliver(Event("user.login"), handler)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (ValueError("x"), "failed"),
        (asyncio.CancelledError(), "cancelled"),
        (SkipHandler(), "skipped"),
        (GeneratorExit(), "failed"),
    ],
    ids=["failed", "cancelled", "skipped", "no exception"],
)
async def test_failure_is_an_outcome(bus, hear, raised, status):
    """What the handler raises is in the outcome, never raised."""

    async def raises(event):
        raise raised

    outcome = await bus.deliver(Event("user.login"), hear(raises))
    assert (outcome.status, outcome.exception) == (status, raised)


async def test_interceptors_and_all(bus, hear):
    """The handler's interceptors run, subscribed or not."""
    notes = []

    def interceptor(handler, call_next):
        async def call(event):
            notes.append("intercepted")
            await call_next(event)

        return call

    bus.add_interceptor(interceptor)
    subscribed = hear(lambda _: notes.append("handled"))
    stranger = Mock(event_types=["user.login"], handle=lambda _: notes.append("handled"))
    await bus.deliver(Event("user.login"), subscribed)
    await bus.deliver(Event("user.login"), stranger)
    assert notes == ["intercepted", "handled"] * 2


@pytest.mark.usefixtures("plain")
async def test_interceptors_as_they_were_composed(bus, hear):
    """What interceptors made of a handler when it was subscribed is run, and keeps its state."""
    composed = []
    bus.add_interceptor(lambda handler, call: composed.append(handler) or call)
    handler = hear(lambda _: None)
    for _ in range(2):
        await bus.deliver(Event("user.login"), handler)
    assert composed == [handler]


async def test_past_the_middleware(plain, bus, hear):
    """The event has passed the middleware once: it is not asked again."""
    seen = []
    bus.add_middleware(lambda _: None)
    event = Event("user.login")
    await bus.deliver(event, hear(seen.append))
    assert seen[0] is event


async def test_waits_for_the_handler(bus, hear):
    """It returns when the handler has ended."""
    ended = []

    async def waits(event):
        await asyncio.sleep(0)
        ended.append(event)

    await bus.deliver(Event("user.login"), hear(waits))
    assert len(ended) == 1


async def test_task_and_context_are_the_handlers_own(bus, hear):
    """The handler has a task of its own, as in `publish`."""
    tasks = []
    await bus.deliver(Event("user.login"), hear(lambda _: tasks.append(asyncio.current_task())))
    assert (len(tasks), asyncio.current_task() in tasks) == (1, False)


async def test_drain_waits_for_it(bus, hear, soon):
    """It is counted as publishes are."""
    gate = asyncio.Event()
    event = Event("user.login")
    task = asyncio.create_task(bus.deliver(event, hear(lambda _: gate.wait())))
    assert await bus.drain(0) == [event]
    gate.set()
    assert await soon(bus.drain()) == []
    assert (await task).status == "ok"


async def test_closed_bus(bus, hear):
    """On a closed bus it raises BusClosedError."""
    handler = hear(lambda _: None)
    bus.close()
    with pytest.raises(BusClosedError):
        await bus.deliver(Event("user.login"), handler)


async def test_what_is_no_event(bus, hear):
    """Anything but an event raises TypeError."""
    with pytest.raises(TypeError):
        await bus.deliver("user.login", hear(lambda _: None))
    assert await bus.drain(0) == []


@pytest.mark.parametrize("thing", [None, object(), "handler"])
async def test_what_is_no_handler(bus, thing):
    """Anything without `handle` raises TypeError, and leaves nothing counted."""
    with pytest.raises(TypeError):
        await bus.deliver(Event("user.login"), thing)
    assert await bus.drain(0) == []


async def test_retry_inside_an_interceptor(bus, hear):
    """A failed event can be delivered once more to the one that failed."""
    calls = []

    def flaky(event):
        calls.append(event)
        if len(calls) == 1:
            raise ConnectionError

    hear(flaky)
    event = Event("user.login")
    result = await bus.publish(event)
    retried = [await bus.deliver(event, one.handler) for one in result.outcomes if one.error]
    assert ([one.status for one in retried], calls) == (["ok"], [event, event])


async def test_a_class_is_no_handler_to_deliver_to():
    """It is refused at the call, as by `subscribe`."""

    class Handler:
        event_types = ("user.login",)

        def handle(self, event): ...

    with pytest.raises(TypeError, match="an instance of"):
        EventBus().deliver(Event("user.login"), Handler)
