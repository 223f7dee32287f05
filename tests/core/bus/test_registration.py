"""Subscribing: who hears what, known by identity, read once."""

from __future__ import annotations

import sys
from enum import StrEnum
from unittest.mock import AsyncMock, Mock

import pytest

from busway import ANY, Event, EventBus, EventError, EventHandler, EventType, register_event_types


class Recorder(EventHandler):
    """Keeps the events it is given."""

    event_types = (EventType.USER_LOGIN,)

    def __init__(self):
        self.seen = []

    async def handle(self, event):
        self.seen.append(event)


async def test_handler_hears_only_its_types(bus):
    """A handler is given the events of its types, and no others."""
    handler = Recorder()
    bus.subscribe(handler)
    login = Event("user.login")
    await bus.publish(login)
    await bus.publish(Event("user.logout"))
    assert handler.seen == [login]


async def test_event_types_as_strings(bus):
    """Known strings stand for their members in `event_types`."""
    handler = Recorder()
    handler.event_types = ["user.logout"]
    bus.subscribe(handler)
    await bus.publish(Event(EventType.USER_LOGOUT))
    assert len(handler.seen) == 1


async def test_event_types_as_tuple(bus):
    """Any iterable of types will do, a generator too."""
    handler = Recorder()
    handler.event_types = (one for one in (EventType.USER_LOGIN, EventType.USER_LOGOUT))
    bus.subscribe(handler)
    await bus.publish(Event(EventType.USER_LOGIN))
    await bus.publish(Event(EventType.USER_LOGOUT))
    assert len(handler.seen) == 2


async def test_any_hears_every_type(bus):
    """`[ANY]` hears all built-in types."""
    handler = Recorder()
    handler.event_types = [ANY]
    bus.subscribe(handler)
    for type_ in EventType:
        await bus.publish(Event(type_))
    assert [event.type for event in handler.seen] == list(EventType)


async def test_any_hears_types_registered_later(bus):
    """`[ANY]` hears types that a plugin registers after the handler was subscribed."""
    handler = Recorder()
    handler.event_types = [ANY]
    bus.subscribe(handler)
    await bus.publish(Event("user.login"))

    @register_event_types
    class OrderEvent(StrEnum):
        SHIPPED = "order.shipped"

    await bus.publish(Event("order.shipped"))
    assert handler.seen[-1].type is OrderEvent.SHIPPED


@pytest.mark.parametrize(
    "types",
    [
        [ANY, EventType.USER_LOGIN],
        [EventType.USER_LOGIN, ANY],
        [EventType.USER_LOGIN, EventType.USER_LOGIN],
        [EventType.USER_LOGIN, "user.login"],
        [ANY, ANY],
    ],
)
async def test_each_event_reaches_a_handler_once(bus, types):
    """However often the types name it, an event reaches a handler once."""
    handler = Recorder()
    handler.event_types = types
    bus.subscribe(handler)
    result = await bus.publish(Event("user.login"))
    assert len(handler.seen) == 1
    assert len(result.outcomes) == 1


async def test_same_handler_twice_counts_once(bus):
    """Subscribing the same handler again changes nothing."""
    handler = Recorder()
    bus.subscribe(handler)
    bus.subscribe(handler)
    await bus.publish(Event("user.login"))
    assert len(handler.seen) == 1
    assert bus.handlers == (handler,)


async def test_one_unsubscribe_undoes_two_subscribes(bus):
    """A handler subscribed twice is gone after one `unsubscribe`."""
    handler = Recorder()
    bus.subscribe(handler)
    bus.subscribe(handler)
    assert bus.unsubscribe(handler) is True
    await bus.publish(Event("user.login"))
    assert handler.seen == []


class Equal(Recorder):
    """Equals every other one, and has no hash."""

    def __eq__(self, other):
        return isinstance(other, Equal)

    __hash__ = None


async def test_equal_handlers_without_hash_are_two(bus):
    """Handlers are known by identity: equal ones are two, and need no hash."""
    one, other = Equal(), Equal()
    bus.subscribe(one)
    bus.subscribe(other)
    result = await bus.publish(Event("user.login"))
    assert (len(one.seen), len(other.seen)) == (1, 1)
    assert [
        outcome.handler is handler
        for outcome, handler in zip(result.outcomes, (one, other), strict=True)
    ] == [True, True]


async def test_unsubscribe_takes_the_very_one(bus):
    """`unsubscribe` removes the handler itself, not one that equals it."""
    one, other = Equal(), Equal()
    bus.subscribe(one)
    bus.subscribe(other)
    assert bus.unsubscribe(other) is True
    await bus.publish(Event("user.login"))
    assert (len(one.seen), len(other.seen)) == (1, 0)


def test_unsubscribe_of_an_equal_stranger_is_false(bus):
    """One that merely equals a subscribed handler is not subscribed."""
    bus.subscribe(Equal())
    assert bus.unsubscribe(Equal()) is False
    assert len(bus.handlers) == 1


class Fickle(EventHandler):
    """Says something else each time it is asked for its types."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0
        self.seen = []

    @property
    def event_types(self):
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]

    async def handle(self, event):
        self.seen.append(event)


async def test_event_types_is_read_once(bus):
    """`event_types` is read at `subscribe`, and neither by publishes nor by recomposition."""
    handler = Fickle([EventType.USER_LOGIN])
    bus.subscribe(handler)
    await bus.publish(Event("user.login"))
    bus.add_interceptor(lambda _, call: call)
    await bus.publish(Event("user.login"))
    bus.unsubscribe(handler)
    assert handler.asked == 1


async def test_event_types_is_not_read_by_a_second_subscribe(bus):
    """The second `subscribe` of the same handler counts for nothing: types are read once."""
    handler = Fickle([EventType.USER_LOGIN], [])
    bus.subscribe(handler)
    bus.subscribe(handler)
    assert handler.asked == 1


async def test_unsubscribe_finds_it_whatever_it_says_later(bus):
    """A handler whose types change after `subscribe` is unsubscribed from those of then."""
    handler = Fickle([EventType.USER_LOGIN], [EventType.USER_LOGOUT])
    bus.subscribe(handler)
    handler.asked = 5
    assert bus.unsubscribe(handler) is True
    await bus.publish(Event("user.login"))
    await bus.publish(Event("user.logout"))
    assert handler.seen == []


@pytest.mark.parametrize(
    "types",
    ["user.login", EventType.USER_LOGIN, [], (), None, 7, b""],
    ids=["str", "member", "empty list", "empty tuple", "none", "int", "no bytes"],
)
def test_types_that_are_no_list_or_empty(bus, types):
    """A str, nothing at all or an empty list as `event_types` raises TypeError."""
    handler = Recorder()
    handler.event_types = types
    with pytest.raises(TypeError, match="Recorder"):
        bus.subscribe(handler)
    assert bus.handlers == ()


class Unregistered(StrEnum):
    """Never registered."""

    THING = "thing.happened"


class Imitation(StrEnum):
    """Has the value of a registered member, but is not registered."""

    LOGIN = "user.login"


@pytest.mark.parametrize("type_", ["no.such", Unregistered.THING, Imitation.LOGIN, 3, None, ["x"]])
def test_types_that_are_not_registered(bus, type_):
    """An unknown string or a member of an unregistered enum raises EventError in `subscribe`."""
    handler = Recorder()
    handler.event_types = [EventType.USER_LOGIN, type_]
    with pytest.raises(EventError):
        bus.subscribe(handler)
    assert bus.handlers == ()


async def test_failed_subscribe_leaves_nothing(bus):
    """A handler that was refused hears nothing, not even of its good types."""
    handler = Recorder()
    handler.event_types = [EventType.USER_LOGIN, "no.such"]
    with pytest.raises(EventError):
        bus.subscribe(handler)
    result = await bus.publish(Event("user.login"))
    assert result.outcomes == ()


def test_subscribing_a_class(bus):
    """A handler's class instead of an instance raises TypeError."""
    with pytest.raises(TypeError, match="Recorder"):
        bus.subscribe(Recorder)


@pytest.mark.parametrize("handle", [None, "text", 5])
def test_handler_whose_handle_is_not_callable(bus, handle):
    """A handler without a `handle` that can be called raises TypeError."""
    with pytest.raises(TypeError, match="handle"):
        bus.subscribe(Mock(spec=["event_types", "handle"], event_types=[ANY], handle=handle))


def test_handler_whose_handle_is_a_generator(bus):
    """A generator function as `handle`, whose body would never run, raises TypeError."""

    class Generator(Recorder):
        async def handle(self, event):
            yield event

    with pytest.raises(TypeError, match="generator"):
        bus.subscribe(Generator())


def test_object_without_the_two_members(bus):
    """Something with neither `event_types` nor `handle` raises TypeError."""
    with pytest.raises(TypeError):
        bus.subscribe(object())


async def test_mock_with_async_handle(bus):
    """A Mock with the two members is a handler."""
    handler = Mock(event_types=[EventType.USER_LOGIN], handle=AsyncMock())
    bus.subscribe(handler)
    event = Event("user.login")
    result = await bus.publish(event)
    handler.handle.assert_awaited_once_with(event)
    assert result.ok


async def test_mock_with_sync_handle(bus):
    """A Mock whose `handle` returns another Mock is a handler too."""
    handler = Mock(event_types=[ANY], handle=Mock())
    bus.subscribe(handler)
    event = Event("user.login")
    result = await bus.publish(event)
    handler.handle.assert_called_once_with(event)
    assert result.ok


async def test_mock_that_raises(bus):
    """What a Mock's side effect raises is its outcome."""
    error = ValueError("planned")
    handler = Mock(event_types=[ANY], handle=AsyncMock(side_effect=error))
    bus.subscribe(handler)
    assert (await bus.publish(Event("user.login"))).errors == (error,)


def test_handlers_are_listed_in_order(bus):
    """`bus.handlers` is in the order of subscription."""
    handlers = [Recorder() for _ in range(5)]
    for handler in handlers:
        bus.subscribe(handler)
    assert bus.handlers == tuple(handlers)


async def test_subscribing_again_after_unsubscribing_goes_last(bus, hear):
    """A handler that left and came back starts after those that stayed."""
    order = []
    first = hear(lambda _: order.append("first"))
    hear(lambda _: order.append("second"))
    bus.unsubscribe(first)
    bus.subscribe(first)
    await bus.publish(Event("user.login"))
    assert order == ["second", "first"]


async def test_subscribed_for_the_time_of_a_with(bus):
    """`subscribed` subscribes inside the block, and no longer."""
    handler = Recorder()
    with bus.subscribed(handler):
        await bus.publish(Event("user.login"))
    await bus.publish(Event("user.login"))
    assert len(handler.seen) == 1
    assert bus.handlers == ()


def test_subscribed_keeps_one_that_was_there(bus):
    """`subscribed` leaves a handler subscribed that was so before."""
    handler = Recorder()
    bus.subscribe(handler)
    with bus.subscribed(handler):
        pass
    assert bus.handlers == (handler,)


def test_subscribed_puts_back_one_that_left_inside(bus):
    """A handler that was there before and was unsubscribed in the block is there again."""
    handler = Recorder()
    bus.subscribe(handler)
    with bus.subscribed(handler):
        bus.unsubscribe(handler)
    assert bus.handlers == (handler,)


def test_subscribed_does_not_mind_that_it_left_inside(bus):
    """A handler that was not there before may be unsubscribed in the block."""
    handler = Recorder()
    with bus.subscribed(handler):
        bus.unsubscribe(handler)
    assert bus.handlers == ()


def test_subscribed_restores_after_an_exception(bus):
    """`subscribed` puts back what was there when the block raises, and lets it through."""
    with pytest.raises(ZeroDivisionError), bus.subscribed(Recorder()):
        1 / 0  # noqa: B018 - it raises
    assert bus.handlers == ()


async def test_subscribed_puts_back_the_place(bus, hear):
    """What was there before is put back where it was: first stays first."""
    order = []
    first = hear(lambda _: order.append("first"))
    hear(lambda _: order.append("second"))
    with bus.subscribed(first):
        bus.unsubscribe(first)
    await bus.publish(Event("user.login"))
    assert order == ["first", "second"]


async def test_subscribed_puts_back_the_types_of_then(bus):
    """What was there before is put back as it was, whatever its `event_types` says by now."""
    handler = Fickle([EventType.USER_LOGIN], [])
    bus.subscribe(handler)
    with bus.subscribed(handler):
        bus.unsubscribe(handler)
    await bus.publish(Event("user.login"))
    assert len(handler.seen) == 1


def test_subscribed_never_takes_one_away_that_was_there(bus):
    """A handler that was there before is there all the time, also if interceptors come inside."""
    handler, there = Recorder(), []
    bus.subscribe(handler)
    with bus.subscribed(handler):
        bus.add_interceptor(lambda one, call: there.append(one in bus.handlers) or call)
    assert (there[0], set(there)) == (True, {True})


async def test_subscribed_keeps_interceptors_that_came_inside(bus):
    """What is put back is wrapped by the interceptors of now."""
    handler, notes = Recorder(), []

    def interceptor(one, call_next):
        async def call(event):
            notes.append("intercepted")
            await call_next(event)

        return call

    bus.subscribe(handler)
    with bus.subscribed(handler):
        bus.unsubscribe(handler)
        bus.add_interceptor(interceptor)
    await bus.publish(Event("user.login"))
    assert (notes, len(handler.seen)) == (["intercepted"], 1)


class Named(Recorder):
    """Has a name on the class."""

    name = "on the class"


def test_name_is_module_and_class():
    """`handler.name` is `module.Class` unless set."""
    assert Recorder().name == f"{__name__}.Recorder"


def test_name_set_on_the_class():
    """A name set on the class replaces the default."""
    assert Named().name == "on the class"


def test_name_set_on_the_instance():
    """A name set on the instance replaces that of the class, for it alone."""
    handler = Named()
    handler.name = "its own"
    assert (handler.name, Named().name) == ("its own", "on the class")


def test_name_of_a_nested_class():
    """The default name holds the qualified name of a nested class."""

    class Inner(Recorder):
        pass

    assert Inner().name == f"{__name__}.{Inner.__qualname__}"


def _calls_of_subscribing(count):
    """How many calls `count` subscriptions and one publish's snapshot cost."""
    bus, handlers = EventBus(), [Recorder() for _ in range(count)]
    calls = 0

    def profile(frame, kind, argument):
        nonlocal calls
        calls += kind in ("call", "c_call")

    sys.setprofile(profile)
    try:
        for handler in handlers:
            bus.subscribe(handler)
    finally:
        sys.setprofile(None)
    return calls


def test_subscribing_is_linear():
    """Twice the subscriptions cost twice the steps."""
    assert _calls_of_subscribing(2_000) < 2.1 * _calls_of_subscribing(1_000)


async def test_hundred_thousand_handlers(bus):
    """100,000 handlers can be subscribed, and one publish reaches each of them."""
    handled = []

    class Light:
        event_types = (EventType.USER_LOGIN,)

        def handle(self, event):
            handled.append(self)

    handlers = [Light() for _ in range(100_000)]
    for handler in handlers:
        bus.subscribe(handler)
    await bus.publish(Event("user.login"))
    assert handled == handlers


def test_handlers_for_a_type_are_those_it_would_reach(bus):
    """In the order they would start, those of ANY among them."""
    first, second, other = Recorder(), Recorder(), Recorder()
    first.event_types, other.event_types = [ANY], ["user.logout"]
    for one in (first, other, second):
        bus.subscribe(one)
    assert bus.handlers_for("user.login") == (first, second)


def test_handlers_for_an_unknown_type_is_an_error(bus):
    """It names the field."""
    with pytest.raises(EventError, match=r"no\.such"):
        bus.handlers_for("no.such")
