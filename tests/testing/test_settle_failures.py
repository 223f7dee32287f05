"""settle: what it raises of an event and its descendants."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from contextlib import contextmanager

import pytest

from busway import Event, HandlerCancelledError, MiddlewareError, SkipHandler


@contextmanager
def raises_group(*kinds):
    """An ExceptionGroup of these, in whatever order."""
    with pytest.raises(ExceptionGroup) as raised:
        yield raised
    assert Counter(map(type, raised.value.exceptions)) == Counter(kinds)


def failing(error):
    async def fail(event):
        raise error

    return fail


async def test_a_handler_of_its_own(bus, hear, settle):
    """As an ExceptionGroup that names handler and event."""
    error = ValueError("no")
    handler = hear(failing(error))
    handler.name = "shop.Greeter"
    event = Event("user.login")
    await bus.publish(event)
    with pytest.raises(ExceptionGroup) as raised:
        await settle(event)
    assert raised.value.exceptions == (error,)
    assert raised.value.message == (
        f"failed of what user.login {event.id} led to: shop.Greeter on user.login {event.id}"
    )


async def test_all_of_the_family(bus, hear, settle):
    """Of all generations, each error once."""
    first, second, third = ValueError("1"), KeyError("2"), OSError("3")

    async def outer(event):
        await bus.publish(Event("user.logout"))
        bus.publish_soon(Event("user.created"))
        raise first

    hear(outer, "user.login")
    hear(failing(second), "user.logout")
    hear(failing(third), "user.created")
    event = Event("user.login")
    await bus.publish(event)
    for _ in range(2):  # asked again, it says the same
        with pytest.raises(ExceptionGroup) as raised:
            await settle(event)
        assert set(raised.value.exceptions) == {first, second, third}


async def test_not_of_others(bus, hear, settle):
    """Another event's failure is not raised."""
    hear(failing(ValueError()), "user.logout")
    event = Event("user.login")
    await bus.publish_many([event, Event("user.logout")])
    await settle(event)


async def test_one_error_that_two_raise(bus, hear, settle):
    """It is in the group once."""
    error = ValueError()
    hear(failing(error))
    hear(failing(error))
    event = Event("user.login")
    await bus.publish(event)
    with pytest.raises(ExceptionGroup) as raised:
        await settle(event)
    assert raised.value.exceptions == (error,)


async def test_after_all_has_ended(bus, hear, settle):
    """A failure does not cut the waiting short."""
    ended, gate = [], asyncio.Event()

    async def slow(event):
        await gate.wait()
        ended.append(event)

    hear(failing(ValueError()))
    hear(slow)
    event = Event("user.login")
    bus.publish_soon(event)
    task = asyncio.create_task(settle(event))
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(ExceptionGroup):
        await task
    assert len(ended) == 1


async def test_a_handler_that_cancels_itself(bus, hear, settle):
    """It has failed."""
    hear(failing(asyncio.CancelledError()))
    event = Event("user.login")
    await bus.publish(event)
    with raises_group(HandlerCancelledError):
        await settle(event)


async def test_a_handler_whose_publisher_was_cancelled(bus, hear, settle):
    """It did as it was told, which is no failure."""
    entered = asyncio.Event()

    async def slow(event):
        entered.set()
        await asyncio.Event().wait()

    hear(slow)
    event = Event("user.login")
    task = bus.publish_soon(event)
    await entered.wait()
    task.cancel()
    await settle(event)


async def test_a_handler_that_was_skipped(bus, hear, settle):
    """It has not failed."""
    hear(failing(SkipHandler()))
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)


@pytest.mark.parametrize("way", ["publish_soon", "publish_threadsafe"])
async def test_a_publish_that_nobody_awaits(bus, hear, settle, way):
    """A middleware that raises fails it, before any handler can."""

    def refuse(event):
        if event.type == "user.logout":
            raise PermissionError("no")
        return event

    async def handle(event):
        getattr(bus, way)(Event("user.logout"))

    bus.add_middleware(refuse)
    hear(handle, "user.login")
    async with bus:
        event = Event("user.login")
        await bus.publish(event)
        with raises_group(MiddlewareError) as raised:
            await settle(event)
    assert f"what user.login {event.id} led to: publishing on user.logout" in raised.value.message


async def test_a_publish_of_the_test_s_own(bus, settle):
    """The same."""

    def refuse(event):
        raise PermissionError("no")

    bus.add_middleware(refuse)
    event = Event("user.login")
    bus.publish_soon(event)
    with raises_group(MiddlewareError):
        await settle(event)


async def test_a_publish_soon_that_was_cancelled(bus, hear, settle):
    """That is no failure."""
    hear(lambda event: None)
    event = Event("user.login")
    bus.publish_soon(event).cancel()
    await settle(event)


async def test_a_task_that_a_handler_started(bus, hear, settle):
    """If it fails and nobody looks, it is raised, and asyncio has nothing left to tell."""
    unheard = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: unheard.append(context["message"]))

    async def work():
        await asyncio.sleep(0)
        raise ValueError("lost")

    async def handle(event):
        handle.task = asyncio.create_task(work(), name="mailer")

    hear(handle)
    event = Event("user.login")
    await bus.publish(event)
    with raises_group(ValueError) as raised:
        await settle(event)
    assert "the task mailer (" in raised.value.message
    del raised, handle.task
    bus._record.broken.clear()
    gc.collect()
    assert unheard == []


async def test_a_task_that_its_handler_awaits(bus, hear, settle):
    """Whoever awaits it decides what its failure means."""

    async def work():
        raise ValueError("expected")

    async def handle(event):
        tasks = [asyncio.create_task(work()) for _ in range(3)]
        for _ in range(10):  # long after they have failed
            await asyncio.sleep(0)
        for task in tasks:
            with pytest.raises(ValueError, match="expected"):
                await task

    hear(handle)
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)


async def test_a_task_of_another_event(bus, hear, settle):
    """Its failure is not raised here, and is left to that one's."""

    async def work():
        raise ValueError

    async def handle(event):
        handle.task = asyncio.create_task(work())

    hear(handle, "user.logout")
    event, other = Event("user.login"), Event("user.logout")
    await bus.publish_many([event, other])
    with raises_group(ValueError):
        await settle(other)
    await bus.publish(again := Event("user.logout"))
    for _ in range(10):
        await asyncio.sleep(0)
    await settle(event)
    with raises_group(ValueError):
        await settle(again)


async def test_a_task_that_was_cancelled(bus, hear, settle):
    """That is no failure."""

    async def handle(event):
        asyncio.create_task(asyncio.Event().wait()).cancel()

    hear(handle)
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)


@pytest.mark.parametrize("bus", [{"report_failures": True}], indirect=True)
async def test_reports_of_failures_are_descendants(bus, hear, settle):
    """What handles `ERROR_OCCURRED` may fail, too."""
    hear(failing(ValueError("first")), "user.login")
    hear(failing(KeyError("second")), "error.occurred")
    event = Event("user.login")
    await bus.publish(event)
    with raises_group(ValueError, KeyError):
        await settle(event)


def test_failures_on_another_thread_s_loop(bus, hear, settle):
    """Of handlers, tasks and publishes; none comes too late to be seen."""

    async def work():
        raise ValueError("task")

    async def handle(event):
        handle.task = asyncio.create_task(work())
        bus.publish_soon(Event("user.logout"))
        raise KeyError("handler")

    def refuse(event):
        if event.type == "user.logout":
            raise PermissionError("no")
        return event

    bus.add_middleware(refuse)
    hear(handle, "user.login")
    with bus.running():
        for _ in range(50):
            event = Event("user.login")
            bus.publish_threadsafe(event)
            with raises_group(ValueError, KeyError, MiddlewareError):
                asyncio.run(settle(event))
