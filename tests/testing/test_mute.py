"""mute: inside, what this context publishes reaches no handler."""

from __future__ import annotations

import asyncio

import pytest

from busway import Event, EventBus, EventError, EventType, on_event


def collector(handled):
    return lambda event: handled.append(event.type.value)


@pytest.fixture
def handled(hear):
    """The types that a handler of all has got."""
    got = []
    hear(collector(got))
    return got


async def test_no_handler_is_reached(bus, handled, mute):
    """It is skipped, which is no failure; afterwards it is reached again."""
    with mute():
        result = await bus.publish(Event("user.login"))
    assert ([one.status for one in result.outcomes], result.ok) == (["skipped"], True)
    await bus.publish(Event("user.logout"))
    assert handled == ["user.logout"]


async def test_what_is_muted_is_captured_all_the_same(bus, handled, mute, captured_events):
    """It was published."""
    with mute():
        await bus.publish(Event("user.login"))
    assert (captured_events.types, handled) == (["user.login"], [])


async def test_certain_types(bus, handled, mute):
    """The others are heard."""
    with mute("user.login", EventType.USER_LOGOUT):
        await bus.publish_many([Event("user.login"), Event("user.logout"), Event("user.created")])
    assert handled == ["user.created"]


async def test_certain_handlers(bus, handled, hear, mute):
    """The others hear."""
    spared = []
    one = hear(collector(spared))
    with mute(handlers=[one]):
        await bus.publish(Event("user.login"))
    assert (handled, spared) == (["user.login"], [])


async def test_a_handler_is_known_by_identity(bus, mute):
    """Not by what it says it equals."""
    heard = []

    class Alike:
        event_types = ("user.login",)

        __hash__ = None

        def __eq__(self, other):
            return True

        def handle(self, event):
            heard.append(self)

    one, other = Alike(), Alike()
    bus.subscribe(one)
    bus.subscribe(other)
    with mute(handlers=[one]):
        await bus.publish(Event("user.login"))
    assert [each is other for each in heard] == [True]


async def test_certain_types_to_certain_handlers(bus, handled, hear, mute):
    """Both must fit."""
    spared = []
    one = hear(collector(spared))
    with mute("user.login", handlers=[one]):
        await bus.publish_many([Event("user.login"), Event("user.logout")])
    assert (handled, spared) == (["user.login", "user.logout"], ["user.logout"])


async def test_a_function_under_on_event(shared_bus, mute):
    """It stands for its handler."""
    heard = []

    @on_event("user.login")
    def greet(event):
        heard.append(event)

    with mute(handlers=[greet]):
        await shared_bus.publish(Event("user.login"))
    assert heard == []
    assert (await shared_bus.publish(Event("user.login"))).ok
    assert len(heard) == 1


def test_an_unknown_type(bus, mute):
    """It would mute nothing, so it is an error."""
    with pytest.raises(EventError, match=r"user\.lgoin"):
        mute("user.lgoin")


async def test_of_both_buses(bus, shared_bus, hear, mute):
    """And of no other."""
    heard = []
    other = EventBus()
    for one in (bus, shared_bus, other):
        hear(collector(heard), on=one)
    with mute():
        for one in (bus, shared_bus, other):
            await one.publish(Event("user.login"))
    assert heard == ["user.login"]


async def test_within_itself(bus, handled, mute):
    """The same one entered again, or another: what is left first ends nothing but itself."""
    both = mute()
    with both, both:
        pass
    with both:
        with both:
            pass
        with mute("user.logout"):
            pass
        await bus.publish(Event("user.login"))
    await bus.publish(Event("user.logout"))
    assert handled == ["user.logout"]


async def test_one_within_another(bus, handled, mute):
    """They add up."""
    with mute("user.login"), mute("user.logout"):
        await bus.publish_many([Event("user.login"), Event("user.logout"), Event("user.created")])
    assert handled == ["user.created"]


async def test_it_ends_when_the_block_raises(bus, handled, mute):
    """As any context manager."""
    with pytest.raises(ZeroDivisionError), mute():
        raise ZeroDivisionError
    await bus.publish(Event("user.login"))
    assert handled == ["user.login"]


async def test_not_for_others(bus, handled, mute):
    """A task that was started before, and runs meanwhile, is heard."""
    muted, done = asyncio.Event(), asyncio.Event()

    async def other():
        await muted.wait()
        await bus.publish(Event("user.logout"))
        done.set()

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    with mute():
        muted.set()
        await done.wait()
        await bus.publish(Event("user.login"))
    await task
    assert handled == ["user.logout"]


async def test_one_in_two_tasks_at_once(bus, handled, mute):
    """Each is in its own; one may leave before the other, which goes on."""
    shared, left = mute(), asyncio.Event()

    async def first(entered):
        with shared:
            entered.set()
            await asyncio.sleep(0)
        left.set()

    async def second(entered):
        await entered.wait()
        with shared:
            await left.wait()
            await bus.publish(Event("user.login"))

    entered = asyncio.Event()
    await asyncio.gather(first(entered), second(entered))
    assert handled == []
    await bus.publish(Event("user.logout"))
    assert handled == ["user.logout"]


async def test_tasks_that_were_started_inside(bus, handled, mute):
    """They are muted for as long as they run."""
    gate = asyncio.Event()

    async def later():
        await gate.wait()
        await bus.publish(Event("user.login"))

    with mute():
        task = asyncio.create_task(later())
    gate.set()
    await task
    assert handled == []


async def test_the_call_counts(bus, handled, mute):
    """What is published inside is muted though it is dispatched later, and the other way round."""
    outside = bus.publish(Event("user.logout"))
    with mute():
        inside = bus.publish(Event("user.login"))
        soon = bus.publish_soon(Event("user.login"))
        await outside
    await inside
    await soon
    assert handled == ["user.logout"]


async def test_threads(bus, handled, mute):
    """`publish_threadsafe` inside is muted, in a thread that was started inside too."""
    async with bus:
        with mute():
            here = bus.publish_threadsafe(Event("user.login"))
            there = await asyncio.to_thread(bus.publish_threadsafe, Event("user.login"))
        for future in (here, there):
            await asyncio.wrap_future(future)
    assert handled == []


async def test_deliver(bus, hear, mute):
    """It is skipped, too."""
    handler = hear(lambda event: None)
    with mute():
        assert (await bus.deliver(Event("user.login"), handler)).status == "skipped"


async def test_what_a_handler_publishes_inside(bus, hear, handled, mute):
    """A handler can mute what it publishes itself, and nothing else."""

    async def quiet(event):
        with mute():
            await bus.publish(Event("user.logout"))

    hear(quiet, "user.login")
    await bus.publish(Event("user.login"))
    assert handled == ["user.login"]


async def test_before_other_interceptors(bus, handled, mute):
    """None of them runs, whoever was added first: it might take being skipped for a failure."""
    ran = []

    def around(handler, call_next):
        async def call(event):
            ran.append(event.type.value)
            await call_next(event)

        return call

    bus.add_interceptor(around)
    with mute():
        await bus.publish(Event("user.login"))
    await bus.publish(Event("user.logout"))
    assert (ran, handled) == (["user.logout"], ["user.logout"])
