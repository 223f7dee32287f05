"""Depth: a chain of awaited publishes has an end, and the error goes to the nested publish."""

from __future__ import annotations

import asyncio

import pytest

from busway import BusClosedError, BuswayError, Event, EventBus, PublishDepthError

LOGIN = "user.login"


def nest(bus, hear, publish, stop_at=1_000):
    """A handler that publishes again and again; returns the depths reached and the errors."""
    depths, errors = [], []

    async def again(event):
        depth = event.payload.get("depth", 0)
        depths.append(depth)
        if depth < stop_at:
            try:
                await publish(Event(LOGIN, {"depth": depth + 1}))
            except PublishDepthError as error:
                errors.append(error)

    hear(again, on=bus)
    return depths, errors


async def test_default_is_32(hear):
    """By default 32 publishes may be nested in the first; the next raises."""
    bus = EventBus()
    depths, errors = nest(bus, hear, bus.publish)
    result = await bus.publish(Event(LOGIN))
    assert depths == list(range(33))
    assert [error.max_depth for error in errors] == [32]
    assert result.ok


@pytest.mark.parametrize("max_depth", [1, 2, 7])
async def test_max_depth(hear, max_depth):
    """`max_depth` says how many publishes may be nested in the first."""
    bus = EventBus(max_depth=max_depth)
    depths, errors = nest(bus, hear, bus.publish)
    await bus.publish(Event(LOGIN))
    assert (len(depths), len(errors)) == (max_depth + 1, 1)


async def test_hundred_really_works(hear):
    """100 nested publishes fit into Python's own stack."""
    bus = EventBus(max_depth=100)
    depths, errors = nest(bus, hear, bus.publish)
    await bus.publish(Event(LOGIN))
    assert (len(depths), len(errors)) == (101, 1)


async def test_hundred_really_works_in_debug_mode(hear):
    """100 nested publishes fit into Python's own stack in debug mode."""
    bus = EventBus(max_depth=100, debug=True)
    depths, errors = nest(bus, hear, bus.publish)
    await bus.publish(Event(LOGIN))
    assert (len(depths), len(errors)) == (101, 1)


async def test_hundred_really_works_with_an_interceptor(hear):
    """100 nested publishes fit into Python's own stack with an interceptor around each handler."""
    bus = EventBus(max_depth=100)

    def interceptor(handler, call_next):
        async def call(event):
            await call_next(event)

        return call

    bus.add_interceptor(interceptor)
    depths, errors = nest(bus, hear, bus.publish)
    await bus.publish(Event(LOGIN))
    assert (len(depths), len(errors)) == (101, 1)


async def test_hundred_with_sync_and_waiting_handlers(hear):
    """100 nested publishes work, whether handlers wait or not."""
    bus = EventBus(max_depth=100)
    depths = []

    async def waits(event):
        await asyncio.sleep(0)
        depths.append(event.payload["depth"])
        if event.payload["depth"] < 100:
            await bus.publish(Event(LOGIN, {"depth": event.payload["depth"] + 1}))

    hear(lambda _: None, on=bus)
    hear(waits, on=bus)
    result = await bus.publish(Event(LOGIN, {"depth": 0}))
    assert depths == list(range(101))
    assert result.errors == ()


async def test_raises_into_the_nested_publish(bus, hear):
    """A handler that lets the error pass fails with it; the publishes around it return."""
    failures = []

    async def again(event):
        result = await bus.publish(Event(LOGIN))
        failures.extend(result.errors)

    hear(again)
    result = await bus.publish(Event(LOGIN))
    assert [type(one) for one in failures] == [PublishDepthError]
    assert result.ok


async def test_nothing_is_left_counted(bus, hear):
    """Publishes that were refused are not waited for."""
    _, errors = nest(bus, hear, bus.publish)
    await bus.publish(Event(LOGIN))
    assert (len(errors), await bus.drain(0)) == (1, [])


async def test_through_publish_many(bus, hear):
    """`publish_many` counts as `publish` does."""
    depths, errors = nest(bus, hear, lambda event: bus.publish_many([event]))
    await bus.publish(Event(LOGIN))
    assert (len(depths), len(errors)) == (33, 1)


async def test_through_deliver(bus, hear):
    """`deliver` counts as `publish` does."""
    depths, errors = nest(bus, hear, lambda event: bus.deliver(event, bus.handlers[0]))
    await bus.publish(Event(LOGIN))
    assert (len(depths), len(errors)) == (33, 1)


async def test_through_create_task(bus, hear):
    """A chain that goes through awaited tasks is one chain."""

    async def publish(event):
        await asyncio.create_task(bus.publish(event))

    depths, errors = nest(bus, hear, publish)
    await bus.publish(Event(LOGIN))
    assert (len(depths), len(errors)) == (33, 1)


async def test_through_gather(bus, hear):
    """A chain that goes through `gather` is one chain."""

    async def publish(event):
        await asyncio.gather(bus.publish(event), asyncio.sleep(0))

    depths, errors = nest(bus, hear, publish)
    await bus.publish(Event(LOGIN))
    assert (len(depths), len(errors)) == (33, 1)


async def test_across_buses(hear):
    """A chain that goes back and forth between buses is one chain."""
    one, other = EventBus(max_depth=5), EventBus(max_depth=5)
    errors = []

    async def forward(target):
        try:
            await target.publish(Event(LOGIN))
        except PublishDepthError as error:
            errors.append(error)

    hear(lambda _: forward(other), on=one)
    hear(lambda _: forward(one), on=other)
    await one.publish(Event(LOGIN))
    assert len(errors) == 1


async def test_publish_soon_starts_at_zero(hear, soon):
    """An event of `publish_soon` starts a chain of its own: it may be nested deep again."""
    bus = EventBus(max_depth=2)
    depths = []

    async def again(event):
        depth = event.payload["depth"]
        depths.append(depth)
        if depth < 10:
            publish = bus.publish_soon if depth % 3 == 2 else bus.publish
            await publish(Event(LOGIN, {"depth": depth + 1}))

    hear(again, on=bus)
    result = await soon(bus.publish(Event(LOGIN, {"depth": 0})))
    await bus.drain(10)
    assert depths == list(range(11))
    assert result.errors == ()


async def test_publish_threadsafe_starts_at_zero(hear, soon):
    """An event of `publish_threadsafe` starts a chain of its own."""
    bus = EventBus(max_depth=1)
    depths = []

    async def again(event):
        depth = event.payload["depth"]
        depths.append(depth)
        if depth < 6:
            following = Event(LOGIN, {"depth": depth + 1})
            if depth % 2:
                bus.publish_threadsafe(following)
            else:
                (await bus.publish(following)).raise_for_errors()

    hear(again, on=bus)
    async with bus:
        await bus.publish(Event(LOGIN, {"depth": 0}))
        await soon(bus.drain())
    assert depths == list(range(7))


async def test_depth_is_that_of_the_chain_not_of_all_before(bus, hear):
    """Any number of publishes one after another in a handler are no chain."""
    handled = []

    async def many(event):
        for _ in range(50):
            await bus.publish(Event("user.logout"))

    hear(many, LOGIN)
    hear(handled.append, "user.logout")
    result = await bus.publish(Event(LOGIN))
    assert (result.errors, len(handled)) == ((), 50)


async def test_endless_publish_soon_is_no_chain(bus, hear, soon):
    """Handlers that answer each other by `publish_soon` may do so for ever."""
    handled = []

    def again(event):
        handled.append(event)
        if len(handled) < 200:
            bus.publish_soon(Event(LOGIN))

    hear(again)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert len(handled) == 200


async def test_message_names_type_limit_and_remedy(hear):
    """The error says which type, which limit, and what to do."""
    bus = EventBus(max_depth=1)
    _, errors = nest(bus, hear, bus.publish)
    await bus.publish(Event(LOGIN))
    for part in ("user.login", "max_depth=1", "publish_soon"):
        assert part in str(errors[0])


async def test_too_deep_on_a_closed_bus(hear):
    """A nested publish on a closed bus raises BusClosedError, also when it would be too deep."""
    bus, raised = EventBus(max_depth=1), []

    async def again(event):
        try:
            if event.source == "inner":
                bus.close()
            await bus.publish(Event(LOGIN, source="inner"))
        except BuswayError as error:
            raised.append(type(error))

    hear(again, on=bus)
    await bus.publish(Event(LOGIN))
    assert raised == [BusClosedError]
