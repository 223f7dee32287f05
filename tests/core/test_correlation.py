"""Correlation and causation: what a handler publishes tells where it came from."""

from __future__ import annotations

import asyncio

import pytest

from busway import Event, EventBus, current_event


class Reacts:
    """A handler for `user.login` that publishes, in a way of its own."""

    event_types = ("user.login",)

    def __init__(self, react) -> None:
        self.react = react

    async def handle(self, event: Event) -> None:
        await self.react(event)


class Heard:
    """A handler that keeps all that reaches it of some types."""

    def __init__(self, *types: str) -> None:
        self.event_types = list(types)
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)


async def heard_of(bus: EventBus, react, event: Event) -> list[Event]:
    """What was published of `audit.log` while a handler reacts to an event."""
    heard = Heard("audit.log")
    bus.subscribe(heard)
    bus.subscribe(Reacts(react))
    result = await bus.publish(event)
    await bus.drain()
    result.raise_for_errors()
    return heard.events


def ids(event: Event) -> tuple[str | None, str | None]:
    return event.correlation_id, event.causation_id


async def by_publish(bus: EventBus, event: Event) -> None:
    await bus.publish(event)


async def by_publish_many(bus: EventBus, event: Event) -> None:
    await bus.publish_many([event])


async def by_publish_soon(bus: EventBus, event: Event) -> None:
    bus.publish_soon(event)


async def in_a_task(bus: EventBus, event: Event) -> None:
    await asyncio.create_task(by_publish(bus, event))


async def in_a_thread(bus: EventBus, event: Event) -> None:
    await asyncio.to_thread(lambda: asyncio.run(bus.publish(event)))


async def after_a_pause(bus: EventBus, event: Event) -> None:
    await asyncio.sleep(0)
    await bus.publish(event)


WAYS = [by_publish, by_publish_many, by_publish_soon, in_a_task, in_a_thread, after_a_pause]


@pytest.mark.parametrize("way", WAYS)
async def test_it_inherits_the_correlation_and_takes_the_cause(bus, way):
    """Whichever way it is published, from whichever task or thread of the handler."""
    cause = Event("user.login", correlation_id="story")
    (event,) = await heard_of(bus, lambda _: way(bus, Event("audit.log")), cause)
    assert ("story", cause.id) == ids(event)


@pytest.mark.parametrize("way", WAYS)
async def test_the_first_of_a_story_gives_it_its_name(bus, way):
    """Where the cause had no correlation id, its id becomes the story's."""
    cause = Event("user.login")
    (event,) = await heard_of(bus, lambda _: way(bus, Event("audit.log")), cause)
    assert (cause.id, cause.id) == ids(event)


async def test_a_task_that_outlives_its_handler_inherits_too(bus):
    """The context is the handler's, though its event is done."""
    heard, cause = Heard("audit.log"), Event("user.login", correlation_id="story")
    tasks: list[asyncio.Task[None]] = []

    async def later() -> None:
        await asyncio.sleep(0)
        await bus.publish(Event("audit.log"))

    async def react(_: Event) -> None:
        tasks.append(asyncio.create_task(later()))

    bus.subscribe(heard)
    bus.subscribe(Reacts(react))
    await bus.publish(cause)
    assert heard.events == []
    await tasks[0]
    assert [("story", cause.id)] == [ids(one) for one in heard.events]


async def test_publish_threadsafe_inherits_from_a_handlers_thread():
    """The event is caused by what the handler's thread was working on."""
    bus, heard, cause = EventBus(), Heard("audit.log"), Event("user.login", correlation_id="story")

    async def react(_: Event) -> None:
        future = await asyncio.to_thread(bus.publish_threadsafe, Event("audit.log"))
        await asyncio.wrap_future(future)

    bus.subscribe(heard)
    bus.subscribe(Reacts(react))
    async with bus:
        (await bus.publish(cause)).raise_for_errors()
    assert [("story", cause.id)] == [ids(one) for one in heard.events]


async def test_outside_a_handler_nothing_is_inherited(bus):
    """Also right after a publish in the same task."""
    heard = Heard("audit.log")
    bus.subscribe(heard)
    bus.subscribe(Reacts(lambda _: asyncio.sleep(0)))
    await bus.publish(Event("user.login", correlation_id="story"))
    await bus.publish(Event("audit.log"))
    assert [ids(one) for one in heard.events] == [(None, None)]


@pytest.mark.parametrize(
    ("by_hand", "expected"),
    [
        ({"correlation_id": "mine"}, ("mine", "the cause")),
        ({"causation_id": "mine"}, ("story", "mine")),
        ({"correlation_id": "mine", "causation_id": "my own"}, ("mine", "my own")),
    ],
    ids=["correlation_id", "causation_id", "both"],
)
async def test_an_id_given_by_hand_is_kept(bus, by_hand, expected):
    """Only what is missing is filled in."""
    cause = Event("user.login", correlation_id="story", id="the cause")
    (event,) = await heard_of(bus, lambda _: bus.publish(Event("audit.log", **by_hand)), cause)
    assert expected == ids(event)


async def test_the_rest_of_the_event_is_kept(bus):
    """It is the same event, with two fields filled in."""
    given = Event("audit.log", {"a": 1}, source="web", metadata={"b": "c"})
    cause = Event("user.login")
    (event,) = await heard_of(bus, lambda _: bus.publish(given), cause)
    assert given.replace(correlation_id=cause.id, causation_id=cause.id) == event
    assert ids(given) == (None, None)


async def test_a_forwarded_event_is_not_its_own_cause():
    """A bridge that passes an event on, as it is, to another bus."""
    here, there, heard = EventBus(), EventBus(), Heard("user.login")
    there.subscribe(heard)
    here.subscribe(Reacts(there.publish))
    event = Event("user.login")
    await here.publish(event)
    assert [event] == heard.events


async def test_an_event_forwarded_deeper_down_is_not_changed():
    """Neither by an event that it caused itself."""
    here, there, heard = EventBus(), EventBus(), Heard("user.login")
    first = Event("user.login")

    class Forwards:
        event_types = ("audit.log",)

        async def handle(self, event: Event) -> None:
            await there.publish(first)

    there.subscribe(heard)
    here.subscribe(Forwards())
    here.subscribe(Reacts(lambda _: here.publish(Event("audit.log"))))
    await here.publish(first)
    assert [first] == heard.events


async def test_a_chain_keeps_the_story_and_names_each_cause(bus):
    """Three generations: one correlation id, each caused by the one before."""
    made: list[Event] = []
    following = {"user.login": "user.logout", "user.logout": "audit.log"}

    class Next:
        event_types = ("user.login", "user.logout", "audit.log")

        async def handle(self, event: Event) -> None:
            made.append(event)
            if event.type in following:
                await bus.publish(Event(following[event.type]))

    bus.subscribe(Next())
    await bus.publish(Event("user.login"))
    first, second, third = made
    assert [(None, None), (first.id, first.id), (first.id, second.id)] == [ids(e) for e in made]
    assert third.type == "audit.log"


async def test_the_middleware_sees_the_ids(bus):
    """They are there before anyone looks."""
    seen: list[tuple[str | None, str | None]] = []

    def look(event: Event) -> Event:
        if event.type == "audit.log":
            seen.append(ids(event))
        return event

    bus.add_middleware(look)
    cause = Event("user.login")
    await heard_of(bus, lambda _: bus.publish(Event("audit.log")), cause)
    assert [(cause.id, cause.id)] == seen


async def test_handlers_side_by_side_name_their_own_events(bus):
    """Concurrent publishes do not mix up their causes."""
    heard = Heard("audit.log")

    async def react(event: Event) -> None:
        await asyncio.sleep(0)
        await bus.publish(Event("audit.log", {"of": event.id}))

    bus.subscribe(heard)
    bus.subscribe(Reacts(react))
    await bus.publish_many([Event("user.login") for _ in range(5)])
    assert len(heard.events) == 5
    assert [one.payload["of"] for one in heard.events] == [one.causation_id for one in heard.events]


# -- the event that is being handled --------------------------------------------------------------


def test_outside_of_handlers_there_is_no_current_event():
    """Nothing is being handled."""
    assert current_event() is None


async def test_a_handler_s_event_is_the_current_one(bus):
    """As the middleware left it, in its tasks and threads too."""
    found = []

    async def react(_: Event) -> None:
        found.append(current_event())
        await asyncio.sleep(0)
        found.append(await asyncio.to_thread(current_event))

    bus.add_middleware(lambda event: event.replace(source="middleware"))
    bus.subscribe(Reacts(react))
    result = await bus.publish(Event("user.login"))
    assert [id(result.event)] * 2 == [id(one) for one in found]
    assert current_event() is None


@pytest.mark.parametrize("way", WAYS)
async def test_a_middleware_finds_the_cause(bus, way):
    """Whichever way a handler publishes, the current event is the one that it handles."""
    causes = {}

    def note(event: Event) -> Event:
        causes[event.type.value] = current_event()
        return event

    bus.add_middleware(note)
    cause = Event("user.login")
    await heard_of(bus, lambda _: way(bus, Event("audit.log")), cause)
    assert causes == {"user.login": None, "audit.log": cause}
