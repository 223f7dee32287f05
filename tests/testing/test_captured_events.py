"""captured_events: what was published, as handlers see it, in order."""

from __future__ import annotations

import pytest

from busway import Event, EventError, EventType
from busway_testing import CapturedEvents


async def test_what_was_published_in_order(bus, captured_events):
    """Whatever way it was published, whether somebody wants it or not; a cause before effects."""

    class Answers:
        event_types = ("user.created",)

        async def handle(self, event):
            await bus.publish(Event("cache.invalidated"))

    bus.subscribe(Answers())
    await bus.publish_many([Event("user.created"), Event("user.login")])
    await bus.publish_soon(Event("user.logout"))
    assert captured_events.types == [
        "user.created",
        "user.login",
        "cache.invalidated",
        "user.logout",
    ]


async def test_as_handlers_see_it(bus, captured_events):
    """After all middleware, that which is added last too; not what one of them stops."""
    bus.add_middleware(lambda event: event.replace(source="first"))
    bus.add_middleware(lambda event: event if event.type == EventType.USER_LOGIN else None)
    bus.add_middleware(lambda event: event.replace(payload={"seen": event.source}))
    await bus.publish(Event("user.login"))
    await bus.publish(Event("user.logout"))
    assert [(event.type, event.payload) for event in captured_events] == [
        ("user.login", {"seen": "first"})
    ]


async def test_of_both_buses(bus, shared_bus, captured_events):
    """The private one and the shared one, in one order."""
    await shared_bus.publish(Event("user.login"))
    await bus.publish(Event("user.logout"))
    assert captured_events.types == ["user.login", "user.logout"]


async def test_dispatch_is_what_it_would_be_without(bus, captured_events):
    """No handler, middleware or interceptor is seen to be added; what nobody wants is unhandled."""
    unhandled = []

    class Observer:
        def event_unhandled(self, event):
            unhandled.append(event.type)

    bus.observer = Observer()
    result = await bus.publish(Event("user.login"))
    assert (result.ok, result.outcomes, unhandled) == (True, (), ["user.login"])
    assert (bus.handlers, bus.middleware, bus.interceptors) == ((), (), ())


async def test_middleware_and_interceptors_come_and_go_as_ever(bus):
    """Those of the test are all that can be seen, in their order, and can be removed."""

    def one(event):
        return event

    def two(event):
        return event

    def around(handler, call_next):
        return call_next

    bus.add_middleware(one)
    bus.add_middleware(two)
    bus.add_interceptor(around)
    assert (bus.middleware, bus.interceptors) == ((one, two), (around,))
    assert bus.remove_middleware(one)
    assert bus.remove_interceptor(around)
    assert (bus.middleware, bus.interceptors) == ((two,), ())


async def test_an_observer_of_the_test_is_told_of_failures(bus, hear):
    """As without the fixture."""
    told = []

    class Observer:
        def handler_failed(self, event, handler, error):
            told.append((event.type, handler, str(error)))

    async def fails(event):
        raise ValueError("no")

    bus.observer = observer = Observer()
    handler = hear(fails)
    await bus.publish(Event("user.login"))
    assert told == [("user.login", handler, "no")]
    assert bus.observer is observer


def captured():
    return CapturedEvents(
        [
            Event("user.created", {"user_id": 7, "plan": "free"}),
            Event("user.created", {"user_id": 8}),
            Event("audit.log"),
        ]
    )


def test_filtered_by_types():
    """One type or several; all if none is named."""
    assert captured().of("audit.log").types == ["audit.log"]
    assert len(captured().of("audit.log", EventType.USER_CREATED)) == 3
    assert len(captured().of()) == 3


def test_filtered_by_payload_values():
    """A key that is not there is no match, not even for None."""
    assert captured().of("user.created", user_id=8)[0].payload == {"user_id": 8}
    assert captured().of(user_id=7, plan="free").types == ["user.created"]
    assert captured().of(self=None) == []


def test_a_filtered_one_can_be_filtered_again():
    """It is of the same class."""
    assert captured().of("user.created").one(user_id=8).payload == {"user_id": 8}


@pytest.mark.parametrize(
    "ask", [CapturedEvents.of, CapturedEvents.one, CapturedEvents.assert_types]
)
def test_a_type_that_is_unknown_is_an_error(ask):
    """It would never be found, whatever was published."""
    with pytest.raises(EventError, match=r"user\.craeted"):
        ask(captured(), "user.craeted")


def test_the_only_one():
    """It is returned."""
    assert captured().one("user.created", user_id=7).payload["plan"] == "free"


@pytest.mark.parametrize(
    ("wanted", "payload", "told"),
    [
        (["user.created"], {}, "exactly one event is expected: user.created; 2 of these"),
        (["audit.log"], {"a": 1}, "exactly one event is expected: audit.log a=1; 0 of these"),
        ([], {}, "exactly one event is expected; 3 of these are that:"),
    ],
)
def test_not_the_only_one(wanted, payload, told):
    """It says how many there are, and shows what was captured."""
    with pytest.raises(AssertionError) as raised:
        captured().one(*wanted, **payload)
    assert str(raised.value).startswith(told)
    assert str(raised.value).splitlines()[1:] == [
        "  user.created  {'plan': 'free', 'user_id': 7}",
        "  user.created  {'user_id': 8}",
        "  audit.log     {}",
    ]


def test_none_among_nothing():
    """It says that nothing was published."""
    with pytest.raises(AssertionError, match="0 of these are that:\n  nothing was published"):
        CapturedEvents().one("user.created")


def test_the_types_expected():
    """All of them, in order; nothing, if none is named."""
    captured().assert_types("user.created", EventType.USER_CREATED, "audit.log")
    CapturedEvents().assert_types()


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        (
            ["user.created", "audit.log"],
            [
                "  expected      seen",
                "  user.created  user.created",
                "> audit.log     user.created",
                "> -             audit.log",
            ],
        ),
        (
            ["user.created", "user.created", "audit.log", "item.deleted"],
            [
                "  expected      seen",
                "  user.created  user.created",
                "  user.created  user.created",
                "  audit.log     audit.log",
                "> item.deleted  -",
            ],
        ),
        (
            [],
            [
                "  expected  seen",
                "> -         user.created",
                "> -         user.created",
                "> -         audit.log",
            ],
        ),
    ],
)
def test_other_types_than_expected(expected, told):
    """They stand beside those that were seen, the differences marked."""
    with pytest.raises(AssertionError) as raised:
        captured().assert_types(*expected)
    assert str(raised.value).splitlines() == ["other types of event are expected:", *told]


def test_it_is_a_list():
    """It equals one, and can be cleared."""
    events = captured()
    assert events == list(events)
    events.clear()
    assert not events
