"""Debug mode: the handler that changes a payload is found; without it, nothing is copied."""

from __future__ import annotations

from threading import Lock

import pytest

from busway import Event, EventBus


class Changes:
    """A handler that does something to the payload, and keeps what it saw."""

    event_types = ("user.login",)

    def __init__(self, change=lambda payload: None, name: str = "changes") -> None:
        self.change = change
        self.name = name
        self.payloads: list[object] = []

    async def handle(self, event: Event) -> None:
        self.payloads.append(event.payload)
        self.change(event.payload)


def add_key(payload: dict[str, object]) -> None:
    payload["b"] = 2


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "busway.debug"]


def debug_bus(*handlers: Changes) -> EventBus:
    bus = EventBus(debug=True)
    for handler in handlers:
        bus.subscribe(handler)
    return bus


@pytest.mark.usefixtures("plain")
async def test_without_debug_the_payload_is_the_very_object():
    """Nothing is copied: debug off costs nothing."""
    bus, handler, payload = EventBus(), Changes(), {"a": [1]}
    bus.subscribe(handler)
    await bus.publish(Event("user.login", payload))
    assert handler.payloads[0] is payload


@pytest.mark.parametrize(("value", "debug"), [("1", True), ("0", False), ("", False)])
def test_the_environment_switches_it_on(monkeypatch, value, debug):
    """`BUSWAY_DEBUG=1` does what the argument does."""
    monkeypatch.setenv("BUSWAY_DEBUG", value)
    assert debug is EventBus().debug


@pytest.mark.usefixtures("plain")
def test_it_is_off_by_default():
    """Without argument and environment."""
    assert EventBus().debug is False


async def test_the_one_that_changed_it_is_named(caplog):
    """It alone, with the event's type and id."""
    bus = debug_bus(Changes(name="innocent"), Changes(add_key, name="guilty"), Changes(name="late"))
    event = Event("user.login", {"a": 1})
    await bus.publish(event)
    (message,) = logged(caplog)
    assert all(part in message for part in ("guilty", "user.login", event.id))


async def test_a_change_deep_inside_is_found(caplog):
    """The copy, and the comparison, are deep."""
    bus = debug_bus(Changes(lambda payload: payload["a"]["b"].append(2), name="guilty"))
    await bus.publish(Event("user.login", {"a": {"b": [1]}}))
    assert len(logged(caplog)) == 1


async def test_no_other_sees_the_change():
    """Each handler has a copy of its own, and the publisher keeps his."""
    late, payload = Changes(), {"a": [1]}
    await debug_bus(Changes(lambda payload: payload["a"].append(2)), late).publish(
        Event("user.login", payload)
    )
    assert late.payloads == [{"a": [1]}]
    assert payload == {"a": [1]}


async def test_a_change_before_a_failure_is_found(caplog):
    """The payload is compared however the handler ends, and its failure stays its outcome."""

    def change_and_fail(payload: dict[str, object]) -> None:
        payload["b"] = 2
        raise ValueError("and failed")

    result = await debug_bus(Changes(change_and_fail, name="guilty")).publish(Event("user.login"))
    assert "guilty" in logged(caplog)[0]
    assert [one.status for one in result.outcomes] == ["failed"]


async def test_a_well_behaved_handler_is_not_named(caplog):
    """Nor warned of."""
    await debug_bus(Changes()).publish(Event("user.login", {"a": float("nan")}))
    assert logged(caplog) == []


async def test_the_event_is_the_same_one():
    """Only the payload is another object: id, fields and equality are kept."""
    seen: list[Event] = []

    class Keeps:
        event_types = ("user.login",)

        def handle(self, event: Event) -> None:
            seen.append(event)

    bus, event = EventBus(debug=True), Event("user.login", {"a": [1]}, source="web")
    bus.subscribe(Keeps())
    result = await bus.publish(event)
    assert [event] == seen
    assert seen[0].payload is not event.payload
    assert result.event.payload is event.payload


async def test_a_payload_that_cannot_be_copied_is_passed_over(caplog):
    """The handler gets it as it is; that is logged once."""
    handler, payload = Changes(), {"lock": Lock()}
    bus = debug_bus(handler)
    for _ in range(3):
        assert (await bus.publish(Event("user.login", payload))).ok
    assert all(one is payload for one in handler.payloads)
    (message,) = logged(caplog)
    assert "cannot be copied" in message


async def test_a_value_unequal_to_its_copy_accuses_nobody(caplog):
    """It could only accuse wrongly."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("compare me not")

        __hash__ = None

    assert (await debug_bus(Changes()).publish(Event("user.login", {"odd": Odd()}))).ok
    assert [one for one in caplog.records if one.name == "busway.debug"] == []


async def test_the_log_never_holds_a_payload(caplog):
    """Neither the accusation nor the warning."""
    bus = debug_bus(Changes(add_key))
    await bus.publish(Event("user.login", {"token": "s3cret"}))
    await bus.publish(Event("user.login", {"token": "s3cret", "lock": Lock()}))
    assert len(logged(caplog)) == 2
    assert "s3cret" not in caplog.text
