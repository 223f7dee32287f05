"""health: what handlers, middleware and interceptors say of themselves, by name."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

from busway import ANY, EventHandler


class Healthy(EventHandler):
    """Says what it is given."""

    event_types = (ANY,)

    def __init__(self, told, name=None):
        self.told = told
        if name is not None:
            self.name = name

    async def handle(self, event):
        pass

    def health(self):
        return self.told


def test_by_handler_name(bus):
    """What each handler says, by its name, in the order of subscription."""
    bus.subscribe(Healthy({"sent": 3, "state": "good"}, "mail"))
    bus.subscribe(Healthy({"written": 7}, "audit"))
    assert bus.health() == {"mail": {"sent": 3, "state": "good"}, "audit": {"written": 7}}
    assert list(bus.health()) == ["mail", "audit"]


def test_by_default_name(bus):
    """A handler without a name of its own is found under `module.Class`."""
    bus.subscribe(Healthy({"sent": 3}))
    assert bus.health() == {f"{__name__}.Healthy": {"sent": 3}}


def test_no_handlers(bus):
    """A bus without handlers has nothing to say."""
    assert bus.health() == {}


def test_says_nothing_by_default(bus, hear):
    """A handler that does not implement `health` says nothing."""
    hear(lambda _: None, name="quiet")
    assert bus.health() == {"quiet": {}}


def test_object_without_health(bus):
    """An object that is no EventHandler and has no `health` says nothing."""
    bus.subscribe(Mock(spec=["event_types", "handle"], event_types=[ANY], handle=AsyncMock()))
    assert list(bus.health().values()) == [{}]


def test_handlers_of_one_name(bus):
    """Handlers of one name are told apart; none hides another."""
    for number in range(3):
        bus.subscribe(Healthy({"number": number}, "twin"))
    assert bus.health() == {"twin": {"number": 0}, "twin#2": {"number": 1}, "twin#3": {"number": 2}}


def test_health_that_raises(bus):
    """One whose `health` raises hides no other's."""

    class Broken(Healthy):
        def health(self):
            raise RuntimeError("no answer")

    bus.subscribe(Broken({}, "broken"))
    bus.subscribe(Healthy({"sent": 3}, "mail"))
    told = bus.health()
    assert told["mail"] == {"sent": 3}
    assert "no answer" in told["broken"]["error"]


def test_health_that_cannot_be_asked_for(bus):
    """One of which even asking for `health` raises hides no other's."""

    class Broken(Healthy):
        @property
        def health(self):
            raise RuntimeError("no health")

    bus.subscribe(Broken({}, "broken"))
    bus.subscribe(Healthy({"sent": 3}, "mail"))
    told = bus.health()
    assert told["mail"] == {"sent": 3}
    assert "no health" in told["broken"]["error"]


def test_unsubscribed_is_not_asked(bus):
    """A handler that was unsubscribed is not asked."""
    handler = Healthy({"sent": 3}, "mail")
    bus.subscribe(handler)
    bus.unsubscribe(handler)
    assert bus.health() == {}


def test_is_a_copy(bus):
    """What is returned does not change with the handler's own counts."""
    counts = {"sent": 3}
    bus.subscribe(Healthy(counts, "mail"))
    told = bus.health()
    counts["sent"] = 4
    assert told == {"mail": {"sent": 3}}


def test_health_of_an_async_mock(bus):
    """Its coroutine is no answer, and leaves no warning behind."""
    bus.subscribe(AsyncMock(event_types=["user.login"]))
    assert list(bus.health().values()) == [{}]


class Limit:
    """A middleware, or an interceptor, that says what it is given."""

    def __init__(self, told, name=None):
        self.told = told
        if name is not None:
            self.name = name

    def __call__(self, *arguments):
        return arguments[-1]

    def health(self):
        return self.told


def test_middleware_and_interceptors_are_asked(bus):
    """After the handlers, by their names or those of their classes."""
    bus.add_interceptor(Limit({"open": 1}, "breaker"))
    bus.add_middleware(Limit({"limited": 3}))
    bus.subscribe(Healthy({"sent": 3}, "mail"))
    told = {"mail": {"sent": 3}, f"{__name__}.Limit": {"limited": 3}, "breaker": {"open": 1}}
    assert bus.health() == told
    assert list(bus.health()) == list(told)


def test_of_one_that_stands_on_both_sides_each_is_told(bus):
    """A name that is taken is told apart."""
    bus.subscribe(Healthy({"sent": 3}, "mail"))
    bus.add_middleware(Limit({"limited": 3}, "mail"))
    assert bus.health() == {"mail": {"sent": 3}, "mail#2": {"limited": 3}}


def test_those_that_say_nothing_are_left_out(bus):
    """Most middleware is a function."""
    bus.add_middleware(lambda event: event)
    bus.add_interceptor(lambda handler, call_next: call_next)
    bus.add_middleware(Limit({}))
    assert bus.health() == {}


def test_middleware_whose_health_raises(bus):
    """It hides no other's."""

    class Broken(Limit):
        def health(self):
            raise RuntimeError("no answer")

    bus.add_middleware(Broken({}, "broken"))
    bus.add_middleware(Limit({"limited": 3}, "limit"))
    told = bus.health()
    assert told["limit"] == {"limited": 3}
    assert "no answer" in told["broken"]["error"]
