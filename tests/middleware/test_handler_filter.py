"""The filter of handlers: sensitive events are kept from certain handlers."""

from __future__ import annotations

import pytest

from busway import Event
from busway_middleware import FilterInterceptor


def status(result):
    return {one.handler.name: one.status for one in result.outcomes}


async def test_events_are_kept_from_those_named(bus, hear):
    """Their outcome is `skipped`, which is no failure; the others get it."""
    bus.add_interceptor(FilterInterceptor(handlers=["analytics"], types=["user.*"]))
    analytics, audit = hear(name="analytics"), hear(name="audit")
    result = await bus.publish(Event("user.login"))
    assert result.ok
    assert status(result) == {"analytics": "skipped", "audit": "ok"}
    assert analytics.events == []
    assert len(audit.events) == 1


async def test_other_types_reach_them(bus, hear):
    """Only what is named is kept."""
    bus.add_interceptor(FilterInterceptor(handlers=["analytics"], types=["user.*", "audit.log"]))
    analytics = hear(name="analytics")
    assert status(await bus.publish(Event("item.created"))) == {"analytics": "ok"}
    assert len(analytics.events) == 1


async def test_handlers_may_be_patterns(bus, hear):
    """`*` stands for any text."""
    bus.add_interceptor(FilterInterceptor(handlers=["analytics.*"], types=["*"]))
    for name in ("analytics.a", "analytics.b.c", "analytics", "other.analytics.a"):
        hear(name=name)
    assert status(await bus.publish(Event("user.updated"))) == {
        "analytics.a": "skipped",
        "analytics.b.c": "skipped",
        "analytics": "ok",
        "other.analytics.a": "ok",
    }


def test_a_handler_that_is_not_named_pays_nothing():
    """Its call is the one that was given."""

    async def call(event):
        """Of a handler."""

    assert FilterInterceptor(handlers=["x"], types=["*"])(object(), call) is call


async def test_what_is_kept_is_counted(bus, hear):
    """In the health of the bus, in all and by handler; with what matches no handler."""
    bus.add_interceptor(FilterInterceptor(handlers=["one", "two", "tow*"], types=["user.login"]))
    hear(name="one"), hear(name="two")
    await bus.publish(Event("user.login"))
    await bus.publish(Event("user.logout"))
    told = {"skipped": 2, "skipped_one": 1, "skipped_two": 1, "unmatched": "tow*"}
    assert bus.health()["handler-filter"] == told


async def test_a_failure_of_the_handler_is_its_own(bus, hear):
    """What passes is not changed."""

    async def fail(event):
        raise ValueError("boom")

    bus.add_interceptor(FilterInterceptor(handlers=["one"], types=["user.login"]))
    hear(name="one", react=fail)
    assert status(await bus.publish(Event("user.logout"))) == {"one": "failed"}


@pytest.mark.parametrize("name", ["handlers", "types"])
def test_a_setting_that_is_wrong_is_named(name):
    """A str would be a list of letters."""
    with pytest.raises(TypeError, match=f"^{name}: a list of str"):
        FilterInterceptor(**{name: "abc"})
