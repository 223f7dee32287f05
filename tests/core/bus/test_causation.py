"""Causation: what a handler publishes inherits the ids of the event it handles."""

from __future__ import annotations

import asyncio

import pytest

from busway import Event, EventBus, EventType

LOGIN, LOGOUT, CREATED = EventType.USER_LOGIN, EventType.USER_LOGOUT, EventType.USER_CREATED


@pytest.fixture
def outcome(bus, hear):
    """`await outcome(publish, event)`: the event that a handler publishes, as others see it.

    A handler of `event` runs `publish(bus, inner)`; the inner event is returned as it was heard.
    """

    async def run(publish, event, inner=None):
        seen = []

        async def handle(_):
            await publish(bus, Event(LOGOUT) if inner is None else inner)

        hear(handle, LOGIN)
        hear(seen.append, LOGOUT)
        result = await bus.publish(event)
        result.raise_for_errors()
        assert await bus.drain(10) == []
        (heard,) = seen
        return heard

    return run


async def awaited(bus, event):
    """Awaits it."""
    await bus.publish(event)


async def in_a_task(bus, event):
    """In a task that is awaited."""
    await asyncio.create_task(bus.publish(event))


async def in_a_group(bus, event):
    """In a task group."""
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.publish(event))


async def in_a_thread(bus, event):
    """By `asyncio.to_thread`, on a loop there."""
    await asyncio.to_thread(lambda: asyncio.run(bus.publish(event)))


async def by_many(bus, event):
    """By `publish_many`."""
    await bus.publish_many([event])


async def by_soon(bus, event):
    """By `publish_soon`."""
    bus.publish_soon(event)


async def after_a_wait(bus, event):
    """After a suspension."""
    await asyncio.sleep(0)
    await bus.publish(event)


WAYS = [awaited, in_a_task, in_a_group, in_a_thread, by_many, by_soon, after_a_wait]


@pytest.mark.parametrize("way", WAYS)
async def test_inherits_the_correlation_id(outcome, way):
    """An event published inside a handler has the handled event's correlation id."""
    heard = await outcome(way, Event(LOGIN, correlation_id="the story"))
    assert heard.correlation_id == "the story"


@pytest.mark.parametrize("way", WAYS)
async def test_inherits_the_id_where_there_is_no_correlation_id(outcome, way):
    """Where the handled event has no correlation id, its id becomes that of the story."""
    event = Event(LOGIN)
    heard = await outcome(way, event)
    assert heard.correlation_id == event.id


@pytest.mark.parametrize("way", WAYS)
async def test_takes_the_id_as_its_cause(outcome, way):
    """An event published inside a handler has the handled event's id as `causation_id`."""
    event = Event(LOGIN, correlation_id="the story")
    heard = await outcome(way, event)
    assert heard.causation_id == event.id


@pytest.mark.parametrize("way", WAYS)
async def test_keeps_its_own_id(outcome, way):
    """The event that inherits is the same event: its id, payload and time are its own."""
    inner = Event(LOGOUT, {"a": 1})
    heard = await outcome(way, Event(LOGIN), inner)
    assert (heard.id, heard.payload, heard.timestamp) == (inner.id, {"a": 1}, inner.timestamp)


async def test_in_a_task_that_outlives_its_handler(bus, hear, soon):
    """A task that publishes when its handler has ended still tells the cause."""
    seen, gate, tasks = [], asyncio.Event(), []

    async def later():
        await gate.wait()
        await bus.publish(Event(LOGOUT))

    hear(lambda _: tasks.append(asyncio.create_task(later())), LOGIN)
    hear(seen.append, LOGOUT)
    event = Event(LOGIN, correlation_id="the story")
    await bus.publish(event)
    gate.set()
    await soon(tasks[0])
    assert [(one.correlation_id, one.causation_id) for one in seen] == [("the story", event.id)]


async def test_by_publish_threadsafe(bus, hear, soon):
    """`publish_threadsafe` in a handler's thread tells the cause."""
    seen = []

    async def handle(_):
        await asyncio.to_thread(lambda: bus.publish_threadsafe(Event(LOGOUT)))

    hear(handle, LOGIN)
    hear(seen.append, LOGOUT)
    event = Event(LOGIN)
    async with bus:
        (await bus.publish(event)).raise_for_errors()
        await soon(bus.drain())
    assert [(one.correlation_id, one.causation_id) for one in seen] == [(event.id, event.id)]


async def test_outside_of_handlers_nothing_is_inherited(bus, hear):
    """An event published outside of any handler has no ids but its own."""
    seen = []
    hear(seen.append)
    await bus.publish(Event(LOGIN))
    await bus.publish(Event(LOGIN))
    assert [(one.correlation_id, one.causation_id) for one in seen] == [(None, None)] * 2


async def test_given_correlation_id_is_kept(outcome):
    """A correlation id given by hand is kept; the cause is still told."""
    event = Event(LOGIN, correlation_id="the story")
    heard = await outcome(awaited, event, Event(LOGOUT, correlation_id="mine"))
    assert (heard.correlation_id, heard.causation_id) == ("mine", event.id)


async def test_given_causation_id_is_kept(outcome):
    """A causation id given by hand is kept; the correlation id is still inherited."""
    event = Event(LOGIN, correlation_id="the story")
    heard = await outcome(awaited, event, Event(LOGOUT, causation_id="mine"))
    assert (heard.correlation_id, heard.causation_id) == ("the story", "mine")


@pytest.mark.usefixtures("plain")
async def test_both_given_ids_are_kept(outcome):
    """An event with both ids is published as it is."""
    inner = Event(LOGOUT, correlation_id="mine", causation_id="too")
    heard = await outcome(awaited, Event(LOGIN), inner)
    assert heard is inner


async def test_chain_shares_a_correlation_id(bus, hear):
    """Down a chain the correlation id stays, and each event is the next one's cause."""
    seen = []

    async def forward(event):
        seen.append(event)
        if len(seen) < 4:
            await bus.publish(Event(LOGIN))

    hear(forward)
    first = Event(LOGIN)
    await bus.publish(first)
    assert [one.causation_id for one in seen] == [None, *[one.id for one in seen[:3]]]
    assert [one.correlation_id for one in seen] == [None, first.id, first.id, first.id]


@pytest.mark.parametrize("way", ["publish", "publish_many", "publish_soon", "deliver"])
async def test_forwarded_event_is_not_its_own_cause(bus, hear, way):
    """An event forwarded as it is keeps its ids, whatever the method."""
    other, seen = EventBus(), []
    handler = hear(seen.append, on=other)

    async def forward(event):
        if way == "publish_many":
            await other.publish_many([event])
        elif way == "deliver":
            await other.deliver(event, handler)
        else:
            await getattr(other, way)(event)

    hear(forward)
    event = Event(LOGIN)
    await bus.publish(event)
    assert seen == [event]
    assert (seen[0].correlation_id, seen[0].causation_id) == (None, None)


async def test_event_forwarded_from_deeper_is_not_its_own_cause(bus, hear):
    """A handler further down that forwards the first event does not make it its own cause."""
    other, seen = EventBus(), []
    hear(seen.append, on=other)
    first = Event(LOGIN)

    async def inner(_):
        await other.publish(first)

    hear(lambda _: bus.publish(Event(LOGOUT)), LOGIN)
    hear(lambda _: bus.publish(Event(CREATED)), LOGOUT)
    hear(inner, CREATED)
    await bus.publish(first)
    assert [(one.correlation_id, one.causation_id) for one in seen] == [(None, None)]


async def test_event_of_a_given_story_forwarded_from_deeper(bus, hear):
    """The same holds for a first event that brings a correlation id of its own."""
    other, seen = EventBus(), []
    hear(seen.append, on=other)
    first = Event(LOGIN, correlation_id="the story")
    hear(lambda _: bus.publish(Event(LOGOUT)), LOGIN)
    hear(lambda _: bus.publish(Event(CREATED)), LOGOUT)
    hear(lambda _: other.publish(first), CREATED)
    await bus.publish(first)
    assert [(one.correlation_id, one.causation_id) for one in seen] == [("the story", None)]


async def test_event_forwarded_when_the_publishes_have_ended(bus, hear, soon):
    """A task that outlives a chain and forwards its first event makes it no descendant of it."""
    other, seen, gate, tasks = EventBus(), [], asyncio.Event(), []
    hear(seen.append, on=other)
    first = Event(LOGIN)

    async def later():
        await gate.wait()
        await other.publish(first)

    hear(lambda _: bus.publish(Event(LOGOUT)), LOGIN)
    hear(lambda _: tasks.append(asyncio.create_task(later())), LOGOUT)
    await bus.publish(first)
    gate.set()
    await soon(tasks[0])
    assert [(one.correlation_id, one.causation_id) for one in seen] == [(None, None)]


async def test_replaced_event_is_the_same_event(bus, hear):
    """A handler that forwards the event with a changed field forwards the same event."""
    other, seen = EventBus(), []
    hear(seen.append, on=other)
    hear(lambda event: other.publish(event.replace(source="bridge")))
    event = Event(LOGIN)
    await bus.publish(event)
    assert [(one.source, one.causation_id) for one in seen] == [("bridge", None)]


async def test_new_event_made_of_the_handled_one_has_it_as_cause(bus, hear):
    """`replace(id=None)` makes another event, whose cause is the one handled."""
    other, seen = EventBus(), []
    hear(seen.append, on=other)
    hear(lambda event: other.publish(event.replace(id=None)))
    event = Event(LOGIN)
    await bus.publish(event)
    assert [(one.id != event.id, one.causation_id) for one in seen] == [(True, event.id)]


async def test_across_buses(bus, hear):
    """What a handler of one bus publishes on another is caused by what it handles."""
    other, seen = EventBus(), []
    hear(seen.append, on=other)
    hear(lambda _: other.publish(Event(LOGOUT)))
    event = Event(LOGIN)
    await bus.publish(event)
    assert [one.causation_id for one in seen] == [event.id]


async def test_each_event_of_publish_many_is_the_cause_of_its_own(bus, hear):
    """Handlers of several events at once each tell the one they handle as cause."""
    seen = []

    async def forward(event):
        await asyncio.sleep(0)
        await bus.publish(Event(LOGOUT, {"of": event.id}))

    hear(forward, LOGIN)
    hear(seen.append, LOGOUT)
    await bus.publish_many([Event(LOGIN) for _ in range(3)])
    assert len(seen) == 3
    assert [one.causation_id for one in seen] == [one.payload["of"] for one in seen]


async def test_events_of_publish_many_without_suspension(bus, hear):
    """Handlers of several events in one lane each tell the one they handle as cause."""
    seen = []
    hear(lambda event: bus.publish(Event(LOGOUT, {"of": event.id})), LOGIN)
    hear(seen.append, LOGOUT)
    await bus.publish_many([Event(LOGIN) for _ in range(3)])
    assert len(seen) == 3
    assert [one.causation_id for one in seen] == [one.payload["of"] for one in seen]


async def test_after_a_nested_publish_the_cause_is_the_outer_event(bus, hear):
    """A handler's second publish is caused by what it handles, not by its first."""
    seen = []

    async def twice(_):
        await bus.publish(Event(LOGOUT))
        await bus.publish(Event(LOGOUT))

    hear(twice, LOGIN)
    hear(seen.append, LOGOUT)
    event = Event(LOGIN)
    await bus.publish(event)
    assert [one.causation_id for one in seen] == [event.id, event.id]


async def test_publisher_is_inside_no_handler_afterwards(bus, hear):
    """After a publish that was awaited the publisher's next event has no cause."""
    hear(lambda _: None)
    await bus.publish(Event(LOGIN))
    result = await bus.publish(Event(LOGOUT))
    assert (result.event.causation_id, result.event.correlation_id) == (None, None)


@pytest.mark.usefixtures("plain")
async def test_deliver_keeps_the_event_as_it_is(bus, hear):
    """`deliver` inside a handler resubmits an event: its ids are not touched."""
    seen = []
    kept = Event(LOGOUT)
    target = hear(seen.append, LOGOUT)
    hear(lambda _: bus.deliver(kept, target), LOGIN)
    await bus.publish(Event(LOGIN))
    assert seen[0] is kept


async def test_event_delivered_is_the_cause(bus, hear):
    """What a handler publishes under `deliver` is caused by the event delivered."""
    seen = []
    target = hear(lambda _: bus.publish(Event(LOGOUT)), LOGIN)
    hear(seen.append, LOGOUT)
    event = Event(LOGIN)
    await bus.deliver(event, target)
    assert [one.causation_id for one in seen] == [event.id]


async def test_cause_is_the_event_as_middleware_left_it(bus, hear):
    """A correlation id that middleware gives is inherited by what the handlers publish."""
    seen = []
    bus.add_middleware(
        lambda event: event if event.correlation_id else event.replace(correlation_id="given")
    )
    hear(lambda _: bus.publish(Event(LOGOUT)), LOGIN)
    hear(seen.append, LOGOUT)
    await bus.publish(Event(LOGIN))
    assert [one.correlation_id for one in seen] == ["given"]
