"""Debug mode: each handler has a payload of its own, and the one that changes it is named."""

from __future__ import annotations

import asyncio
import threading

import pytest

from busway import ANY, Event, EventBus, EventHandler


@pytest.fixture
def bus():
    """A bus in debug mode."""
    return EventBus(debug=True)


def changes(event):
    """Changes the payload it is given."""
    event.payload["user_id"] = 0


async def test_names_the_handler_that_changed_it(bus, hear, logged):
    """The handler that changes its payload is named in the log, with type and id; no other is."""
    hear(lambda _: None, name="innocent")
    hear(changes, name="the culprit")
    hear(lambda _: None, name="innocent too")
    event = Event("user.login", {"user_id": 1, "password": "secret"})
    await bus.publish(event)
    (record,) = logged()
    message = record.getMessage()
    assert [part in message for part in ("the culprit", "user.login", event.id)] == [True] * 3
    assert ("innocent" in message, "secret" in message) == (False, False)


async def test_others_do_not_see_the_change(bus, hear):
    """Neither the next handler nor the publisher sees what one changes."""
    seen = []
    hear(changes)
    hear(lambda event: seen.append(event.payload["user_id"]))
    event = Event("user.login", {"user_id": 1})
    result = await bus.publish(event)
    assert (seen, event.payload, result.event.payload) == ([1], {"user_id": 1}, {"user_id": 1})


async def test_deep_changes(bus, hear, logged):
    """A change deep inside is found, and unseen by the others."""
    seen = []
    hear(lambda event: event.payload["roles"]["of"].append("admin"), name="the culprit")
    hear(lambda event: seen.append(event.payload))
    await bus.publish(Event("user.login", {"roles": {"of": ["user"]}}))
    assert seen == [{"roles": {"of": ["user"]}}]
    assert ["the culprit" in record.getMessage() for record in logged()] == [True]


@pytest.mark.parametrize("ends", ["returns", "raises", "cancels"])
async def test_compared_when_it_ends(bus, hear, logged, ends):
    """A change made after a suspension is found when the handler ends, however it ends."""

    async def handle(event):
        await asyncio.sleep(0)
        changes(event)
        if ends == "raises":
            raise ValueError
        if ends == "cancels":
            raise asyncio.CancelledError

    hear(handle, name="the culprit")
    await bus.publish(Event("user.login", {"user_id": 1}))
    told = [record for record in logged() if record.name == "busway.debug"]
    assert ["the culprit changed" in record.getMessage() for record in told] == [True]


async def test_same_event_otherwise(bus, hear):
    """The copy is the same event: all fields but the payload's identity are equal."""
    seen = []
    hear(seen.append)
    event = Event("user.login", {"a": [1]}, source="web", metadata={"k": "v"})
    await bus.publish(event)
    assert seen == [event]
    assert seen[0].payload["a"] is not event.payload["a"]


async def test_each_handler_has_a_copy_of_its_own(bus, hear):
    """Two handlers are given two copies."""
    seen = []
    hear(seen.append)
    hear(seen.append)
    await bus.publish(Event("user.login", {"a": []}))
    assert seen[0].payload["a"] is not seen[1].payload["a"]


class Uncopied:
    """Cannot be copied."""

    def __deepcopy__(self, memo):
        raise RuntimeError("copy me not")


@pytest.mark.parametrize("make", [threading.Lock, Uncopied], ids=["lock", "raises"])
async def test_payload_that_cannot_be_copied(bus, hear, logged, make):
    """It is passed over, which is logged once, however many handlers and publishes."""
    seen = []
    hear(seen.append)
    hear(seen.append)
    event = Event("user.login", {"thing": make()})
    for _ in range(3):
        assert (await bus.publish(event)).ok
    assert [one.payload is event.payload for one in seen] == [True] * 6
    assert [event.id in record.getMessage() for record in logged()] == [True]


async def test_payload_whose_values_equal_no_copy(bus, hear, logged):
    """Each handler has its copy all the same, and who changes the rest of it is named."""
    hear(lambda event: event.payload["list"].append(1), name="culprit")
    hear(lambda _: None, name="innocent")
    event = Event("user.login", {"object": object(), "list": []})
    await bus.publish(event)
    assert event.payload["list"] == []
    (told,) = [record.getMessage() for record in logged()]
    assert "culprit" in told


async def test_payload_whose_comparison_raises(bus, hear):
    """A payload that cannot be compared harms neither handler nor publisher."""
    seen = []

    class Incomparable:
        def __eq__(self, other):
            raise RuntimeError("compare me not")

        __hash__ = None

    hear(seen.append)
    result = await bus.publish(Event("user.login", {"thing": Incomparable()}))
    assert (result.errors, len(seen)) == ((), 1)


async def test_interceptors_and_debug(bus, hear, logged):
    """Under interceptors the handler's own change is found, too."""
    bus.add_interceptor(lambda handler, call: call)
    hear(changes, name="the culprit")
    await bus.publish(Event("user.login", {"user_id": 1}))
    assert ["the culprit" in record.getMessage() for record in logged()] == [True]


async def test_deliver_checks_too(bus, logged):
    """`deliver` checks its handler, subscribed or not."""

    class Changes(EventHandler):
        event_types = (ANY,)
        name = "the culprit"
        handle = staticmethod(changes)

    await bus.deliver(Event("user.login", {"user_id": 1}), Changes())
    assert ["the culprit" in record.getMessage() for record in logged()] == [True]


async def test_failures_are_told_as_ever(bus, hear):
    """Debug mode changes no outcome."""
    error = ValueError()

    async def fails(event):
        raise error

    hear(fails)
    hear(lambda _: None)
    result = await bus.publish(Event("user.login"))
    assert (result.errors, [one.status for one in result.outcomes]) == ((error,), ["failed", "ok"])


async def test_causation_goes_by_the_event_itself(bus, hear):
    """What a handler publishes has the event as its cause, in debug mode too."""
    seen = []

    async def forward(event):
        await bus.publish(Event("user.logout"))

    hear(forward, "user.login")
    hear(seen.append, "user.logout")
    event = Event("user.login")
    await bus.publish(event)
    assert [one.causation_id for one in seen] == [event.id]


@pytest.mark.usefixtures("plain")
async def test_off_by_default(hear, logged):
    """Without debug mode handlers share the payload, and nothing is checked."""
    bus, seen = EventBus(), []
    hear(changes, on=bus)
    hear(seen.append, on=bus)
    event = Event("user.login", {"user_id": 1})
    await bus.publish(event)
    assert (seen[0] is event, logged()) == (True, [])


@pytest.mark.parametrize(("value", "debug"), [("1", True), ("0", False), ("", False)])
async def test_environment(monkeypatch, hear, logged, value, debug):
    """`BUSWAY_DEBUG=1` switches it on."""
    monkeypatch.setenv("BUSWAY_DEBUG", value)
    bus = EventBus()
    hear(changes, on=bus)
    await bus.publish(Event("user.login", {"user_id": 1}))
    assert (len(logged()) == 1) is debug
