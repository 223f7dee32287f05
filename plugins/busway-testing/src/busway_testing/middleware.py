"""What every middleware promises."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, ClassVar, Final

from busway._names import name_of
from busway.events import Event, event_types
from busway.exceptions import EventError
from busway_testing._comparing import Kept
from busway_testing._running import fail
from busway_testing.conformance import Conformance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway.middleware import Middleware
    from busway_testing._installed import Installed

__all__ = ["MiddlewareConformance"]

_EVENTS: Final = 20
_SECONDS: Final = 0.01
"""What the quickest of `_EVENTS` calls may take: a thousand times what a middleware takes.

It is the quickest that counts. A busy machine holds up some of the calls, not every one of them;
what is slow by itself, as it computes, sleeps or asks a server, is slow each time.
"""


class MiddlewareConformance(Conformance):
    """The tests of a plugin that brings a middleware, by `busway.middleware` or by hooks.

    It gets an event of each type that is registered: like `event`, or with an empty payload.
    """

    group: ClassVar[str] = "busway.middleware"

    def test_is_sync(self, installed: Installed) -> None:
        """Every event waits for it; what it returns is not awaited."""
        for middleware, event in _cases(installed):
            returned = _returned(middleware, event)
            if inspect.isawaitable(returned):
                _throw_away(returned)
                fail(
                    f"{name_of(middleware)} is async: middleware is a plain function. What has to "
                    "wait belongs in a handler or an interceptor"
                )

    def test_returns_an_event_or_none(self, installed: Installed) -> None:
        """For events of all types."""
        for middleware, event in _cases(installed):
            returned = _returned(middleware, event)
            if inspect.isawaitable(returned):
                _throw_away(returned)
            elif not (returned is None or isinstance(returned, (Event, Exception))):
                fail(
                    f"{name_of(middleware)} returned {returned!r} for {event.type}: it is to "
                    "return the event, event.replace(...) or, to stop it, None"
                )

    def test_does_not_raise(self, installed: Installed) -> None:
        """For ordinary events of all types."""
        for middleware, event in _cases(installed):
            returned = _returned(middleware, event)
            if isinstance(returned, Exception):
                fail(
                    f"{name_of(middleware)} raised on {event.type} {dict(event.payload)!r}, which "
                    "stops the event: let what it does not know pass. If it refuses this event on "
                    "purpose, give this class an `event` that it lets pass",
                    returned,
                )

    def test_leaves_the_event_it_was_given_alone(self, installed: Installed) -> None:
        """The publisher still holds it."""
        for middleware, event in _cases(installed):
            kept = Kept(event)
            _throw_away(_returned(middleware, event))
            if kept.changes():
                fail(
                    f"{name_of(middleware)} changed {', '.join(kept.changes())} of the event that "
                    "it was given, which its publisher still holds: return event.replace(...)"
                )

    def test_passes_on_a_valid_event(self, installed: Installed) -> None:
        """Of a registered type, every field as `Event` checks it."""
        for middleware, event in _cases(installed):
            returned = _returned(middleware, event)
            _throw_away(returned)
            if not isinstance(returned, Event):
                continue
            try:
                returned.replace()
            except EventError as error:
                fail(
                    f"{name_of(middleware)} returned an event for {event.type} that is not valid: "
                    f"{error}; make it by event.replace(...), which checks"
                )

    def test_is_quick(self, installed: Installed) -> None:
        """Every publisher waits for it."""
        cases = list(_cases(installed))
        for middleware in _middleware(installed):
            events = [event for one, event in cases if one is middleware] or [Event("audit.log")]
            times = [
                _seconds(middleware, events[turn % len(events)].replace(id=None))
                for turn in range(_EVENTS)
            ]
            if min(times) > _SECONDS:
                fail(
                    f"{name_of(middleware)} took {min(times):.3f} s for the quickest of {_EVENTS} "
                    "events, and every publisher waits for it: do slow work in a handler"
                )


def _middleware(installed: Installed) -> tuple[Middleware, ...]:
    found = installed.loaded().middleware
    if not found:
        fail(f"{installed.plugin} brings no middleware: test it with the class for what it brings")
    return found


def _cases(installed: Installed) -> Iterator[tuple[Middleware, Event]]:
    """Each middleware with an event of each type."""
    for middleware in _middleware(installed):
        ordinary = installed.author_event()
        for type_ in event_types().values():
            event = Event(type_) if ordinary is None else ordinary.replace(type=type_, id=None)
            yield middleware, event


def _returned(middleware: Middleware, event: Event) -> object:
    """What it returned; or raised: of which only one of the tests tells."""
    try:
        return middleware(event)
    except Exception as error:  # noqa: BLE001 - of the plugin
        return error


def _throw_away(returned: object) -> None:
    """What will not be awaited."""
    if inspect.iscoroutine(returned):
        returned.close()


def _seconds(middleware: Middleware, event: Event) -> float:
    begin = time.perf_counter()
    returned = _returned(middleware, event)
    seconds = time.perf_counter() - begin
    _throw_away(returned)
    return seconds
