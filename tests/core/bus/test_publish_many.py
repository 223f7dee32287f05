"""publish_many: all pass the middleware first, then all go concurrently; one result each."""

from __future__ import annotations

import asyncio

import pytest

from busway import BusClosedError, Event, EventType, MiddlewareError


def events(sources):
    """One event for each letter."""
    return [Event("user.login", source=one) for one in sources]


async def test_results_in_input_order(bus, hear):
    """One result for each event, in the order of the input, whoever ends first."""
    gate = asyncio.Event()

    async def handle(event):
        if event.source == "a":
            await gate.wait()
        else:
            gate.set()

    hear(handle)
    given = events("ab")
    results = await bus.publish_many(given)
    assert [one.event for one in results] == given


async def test_no_events(bus):
    """No events, no results."""
    assert await bus.publish_many([]) == []


async def test_any_iterable(bus, hear):
    """Any iterable of events will do."""
    seen = []
    hear(lambda event: seen.append(event.source))
    results = await bus.publish_many(event for event in events("abc"))
    assert (seen, len(results)) == (["a", "b", "c"], 3)


async def test_same_event_twice(bus, hear):
    """An event that stands twice is handled twice, and has a result at each position."""
    seen = []
    hear(seen.append)
    event, other = events("ab")
    results = await bus.publish_many([event, other, event])
    assert seen == [event, other, event]
    assert [one.event for one in results] == [event, other, event]


async def test_same_event_twice_has_outcomes_of_its_own(bus, hear):
    """Each position of an event that stands twice has outcomes of its own."""
    calls = []

    def fails_first(event):
        calls.append(event)
        if len(calls) == 1:
            raise ValueError

    hear(fails_first)
    event = Event("user.login")
    results = await bus.publish_many([event, event])
    assert [one.ok for one in results] == [False, True]


async def test_concurrently(bus, hear, soon):
    """The handlers of all events wait concurrently."""
    barrier = asyncio.Barrier(6)

    async def meet(event):
        await barrier.wait()

    hear(meet)
    hear(meet)
    results = await soon(bus.publish_many(events("abc")))
    assert [one.ok for one in results] == [True, True, True]


async def test_order_of_starts(bus, hear):
    """Handlers start event by event, in subscription order."""
    order = []
    for number in range(2):

        async def handle(event, number=number):
            order.append((event.source, number))
            await asyncio.sleep(0)

        hear(handle)
    await bus.publish_many(events("ab"))
    assert order == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


async def test_all_pass_the_middleware_first(bus, hear):
    """No handler runs before every event has passed the middleware."""
    order = []
    bus.add_middleware(lambda event: order.append(f"{event.source} passes") or event)
    hear(lambda event: order.append(f"{event.source} handled"))
    await bus.publish_many(events("ab"))
    assert order == ["a passes", "b passes", "a handled", "b handled"]


async def test_none_is_dispatched_if_one_raises(bus, hear):
    """If the middleware raises for one event, none is dispatched, and none stays counted."""
    seen = []

    def guard(event):
        if event.source == "c":
            raise ValueError("no access")
        return event

    bus.add_middleware(guard)
    hear(seen.append)
    with pytest.raises(MiddlewareError, match="no access"):
        await bus.publish_many(events("abc"))
    assert seen == []
    assert await bus.drain(0) == []


async def test_one_that_is_stopped_stops_no_other(bus, hear):
    """`None` for one event stops that one; it has its result at its position."""
    seen = []

    def stop(event):
        return None if event.source == "b" else event

    bus.add_middleware(stop)
    hear(lambda event: seen.append(event.source))
    results = await bus.publish_many(events("abc"))
    assert seen == ["a", "c"]
    assert [one.blocked_by for one in results] == [None, stop, None]
    assert [one.ok for one in results] == [True, False, True]


@pytest.mark.parametrize("thing", ["user.login", None, 3])
async def test_what_is_no_event(bus, hear, thing):
    """Something else among the events raises TypeError: none is dispatched or counted."""
    seen = []
    hear(seen.append)
    with pytest.raises(TypeError):
        await bus.publish_many([*events("ab"), thing])
    assert seen == []
    assert await bus.drain(0) == []


async def test_iterable_that_raises(bus, hear):
    """If the iterable raises, that passes, and none is dispatched or counted."""
    seen = []
    hear(seen.append)

    def broken():
        yield from events("ab")
        raise LookupError

    with pytest.raises(LookupError):
        await bus.publish_many(broken())
    assert seen == []
    assert await bus.drain(0) == []


async def test_each_event_goes_to_its_own_handlers(bus, hear):
    """Events of several types each reach the handlers of their type."""
    login = hear(lambda _: None, EventType.USER_LOGIN)
    logout = hear(lambda _: None, EventType.USER_LOGOUT)
    results = await bus.publish_many([Event("user.logout"), Event("user.login")])
    assert [[one.handler for one in result.outcomes] for result in results] == [[logout], [login]]


async def test_failures_stay_with_their_event(bus, hear):
    """A failure on one event shows in its result alone."""

    async def handle(event):
        await asyncio.sleep(0)
        if event.source == "b":
            raise ValueError

    hear(handle)
    results = await bus.publish_many(events("abc"))
    assert [one.ok for one in results] == [True, False, True]


async def test_snapshot_is_one_for_all(bus, hear):
    """A handler subscribed while the first event is handled is not given the second."""
    seen = []

    def subscribes(event):
        if len(bus.handlers) == 1:
            hear(seen.append)

    hear(subscribes)
    await bus.publish_many(events("ab"))
    assert (seen, len(bus.handlers)) == ([], 2)


async def test_thousand_events(bus, hear):
    """A thousand events at once are all handled, each once."""
    seen = []

    async def handle(event):
        await asyncio.sleep(0)
        seen.append(event.id)

    hear(handle)
    given = [Event("user.login") for _ in range(1_000)]
    results = await bus.publish_many(given)
    assert sorted(seen) == [one.id for one in given]
    assert len(results) == 1_000


async def test_closed_bus(bus):
    """`publish_many` on a closed bus raises BusClosedError."""
    bus.close()
    with pytest.raises(BusClosedError):
        await bus.publish_many(events("a"))
