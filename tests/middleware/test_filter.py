"""Filters: what is allowed, denied, exempt, and counted."""

from __future__ import annotations

import pytest

from busway import Event, EventType, MiddlewareError
from busway_middleware import INVALIDATIONS, FilterMiddleware


async def says_no_later(event):
    return False


def passes(middleware, type_="user.login", source=""):
    event = Event(type_, source=source)
    passed = middleware(event)
    assert passed in (event, None)
    return passed is event


def test_without_settings_all_pass():
    """It filters nothing until it is told what."""
    assert all(passes(FilterMiddleware(), one) for one in EventType)


@pytest.mark.parametrize(
    ("settings", "passing"),
    [
        ({"allow_types": ["user.login"]}, {"user.login"}),
        ({"allow_types": ["user.log*"]}, {"user.login", "user.logout", "user.login_failed"}),
        ({"allow_types": []}, set()),
        ({"deny_types": ["user.login"]}, {"user.logout", "user.login_failed", "audit.log"}),
        ({"deny_types": ["user.*"]}, {"audit.log"}),
        (
            {"allow_types": ["user.*"], "deny_types": ["user.login"]},
            {"user.logout", "user.login_failed"},
        ),
        ({"allow_types": ["user.login"], "deny_types": ["*"]}, set()),
        (
            {"deny_types": ["USER.*"]},
            {"user.login", "user.logout", "user.login_failed", "audit.log"},
        ),
    ],
)
def test_by_type(settings, passing):
    """By name or pattern; to deny wins."""
    middleware = FilterMiddleware(**settings)
    types = ("user.login", "user.logout", "user.login_failed", "audit.log")
    assert {one for one in types if passes(middleware, one)} == passing


@pytest.mark.parametrize(
    ("settings", "passing"),
    [
        ({"allow_sources": ["web"]}, {"web"}),
        ({"allow_sources": ["web*"], "deny_sources": ["web-*"]}, {"web"}),
        ({"deny_sources": ["web"]}, {"web-1", "", "a.b"}),
        ({"deny_sources": ["?.b", "web-[0-9]"]}, {"web", ""}),
    ],
)
def test_by_source(settings, passing):
    """By name or pattern."""
    middleware = FilterMiddleware(**settings)
    assert {one for one in ("web", "web-1", "", "a.b") if passes(middleware, source=one)} == passing


def test_by_predicate():
    """What `allow` says no to, or `deny` yes, does not pass."""
    middleware = FilterMiddleware(
        allow=lambda event: event.payload.get("user_id", 0) > 3,
        deny=lambda event: event.payload["user_id"] == 7,
    )
    events = [Event("user.login", {"user_id": number}) for number in (1, 5, 7)]
    assert [middleware(one) is one for one in events] == [False, True, False]


def test_all_that_is_allowed_must_be_so():
    """A type that may pass, of a source that may not, does not."""
    middleware = FilterMiddleware(allow_types=["user.login"], allow_sources=["web"])
    assert passes(middleware, "user.login", "web")
    assert not passes(middleware, "user.login", "jobs")
    assert not passes(middleware, "user.logout", "web")


@pytest.mark.parametrize(
    "settings",
    [
        {"allow_types": []},
        {"deny_types": ["*"]},
        {"allow_sources": []},
        {"deny_sources": ["*", ""]},
        {"allow": lambda event: False},
        {"deny": lambda event: True},
    ],
)
@pytest.mark.parametrize("type_", INVALIDATIONS)
def test_an_invalidation_is_never_dropped_by_default(settings, type_):
    """Whatever else is said; a cache would serve what is stale."""
    if "" in settings.get("deny_sources", ()):
        settings = {"deny_sources": ["*"]}
    middleware = FilterMiddleware(**settings)
    assert passes(middleware, type_)
    assert not passes(middleware, "user.login", "web")


def test_an_invalidation_that_is_denied_by_name_is_dropped():
    """That one, and no other."""
    middleware = FilterMiddleware(deny_types=["user.updated", "user.*"])
    assert not passes(middleware, "user.updated")
    assert passes(middleware, "user.deleted")


def test_nothing_is_exempt_if_that_is_said():
    """`exempt = []`."""
    middleware = FilterMiddleware(deny_types=["user.*"], exempt=[])
    assert not passes(middleware, "user.deleted")


def test_what_is_exempt_may_be_said():
    """By pattern too; the default is replaced."""
    middleware = FilterMiddleware(allow_types=[], exempt=["user.*"])
    assert passes(middleware, "user.login")
    assert not passes(middleware, "item.updated")


def test_exempt_and_denied_is_a_contradiction():
    """The type is named."""
    with pytest.raises(ValueError, match=r"^exempt: user\.login "):
        FilterMiddleware(deny_types=["user.login"], exempt=["user.login"])


async def test_what_is_stopped_is_counted_in_the_health_of_the_bus(bus, hear):
    """In all, and by type; the publisher learns which middleware it was."""
    middleware, heard = FilterMiddleware(deny_types=["user.login", "audit.*"]), hear()
    bus.add_middleware(middleware)
    results = [await bus.publish(Event(one)) for one in ("user.login", "audit.log", "user.login")]
    await bus.publish(Event("user.logout"))
    assert [one.blocked_by for one in results] == [middleware] * 3
    assert [one.type for one in heard.events] == ["user.logout"]
    told = {"stopped": 3, "stopped_user.login": 2, "stopped_audit.log": 1}
    assert bus.health()["filter"] == told


async def test_a_predicate_that_raises_stops_the_event(bus):
    """A filter fails closed."""
    bus.add_middleware(FilterMiddleware(deny=lambda event: event.payload["user_id"] == 7))
    with pytest.raises(MiddlewareError, match="KeyError"):
        await bus.publish(Event("user.login"))


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ({"allow_types": "user.*"}, "allow_types: a list of str"),
        ({"deny_types": "user.*"}, "deny_types: a list of str"),
        ({"allow_sources": [7]}, "allow_sources: a list of str"),
        ({"deny_sources": [""]}, "deny_sources: a list of str"),
        ({"exempt": "user.updated"}, "exempt: a list of str"),
        ({"allow": "yes"}, "allow: a callable"),
        ({"deny": 1}, "deny: a callable"),
        ({"allow": says_no_later}, "allow: a plain function"),
        ({"deny": says_no_later}, "deny: a plain function"),
    ],
)
def test_a_setting_that_is_wrong_is_named(settings, culprit):
    """A str would be a list of letters, and a coroutine always true."""
    with pytest.raises(TypeError, match=f"^{culprit}"):
        FilterMiddleware(**settings)
