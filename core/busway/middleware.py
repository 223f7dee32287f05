"""Middleware sees every event before dispatch; interceptors wrap handlers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, TypeAlias

from busway._names import name_of, text_of
from busway.events import Event
from busway.exceptions import MiddlewareError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from busway.handlers import Call, Handler

__all__ = ["Interceptor", "Middleware", "intercept", "pass_through"]

Middleware: TypeAlias = "Callable[[Event], Event | None]"
"""Sync; returns the event, a changed one (`event.replace(...)`), or None to stop it."""

Interceptor: TypeAlias = "Callable[[Handler, Call], Call]"
"""Given a handler and the async callable that runs it, returns the one to run instead."""


def pass_through(chain: Iterable[Middleware], event: Event) -> tuple[Event, Middleware | None]:
    """Run an event through the middleware, in order, each seeing what the last returned.

    Returns:
        The event as the last that saw it was given it or left it, and the middleware that
        stopped it, or None.

    Raises:
        MiddlewareError: if one raises, or returns neither an event nor None. Access control
            must fail closed, so the event is stopped and the publisher told.
    """
    for middleware in chain:
        try:
            passed: object = middleware(event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise MiddlewareError(
                f"middleware {name_of(middleware)} raised {text_of(error)}; "
                f"{event.type} was stopped",
                middleware=middleware,
            ) from error
        if passed is event:
            continue
        if passed is None:
            return event, middleware
        if not isinstance(passed, Event):
            if inspect.iscoroutine(passed):
                passed.close()
            raise MiddlewareError(
                f"middleware {name_of(middleware)} returned {type(passed).__name__}, not an event "
                f"or None (middleware is sync); {event.type} was stopped",
                middleware=middleware,
            )
        event = passed
    return event, None


def intercept(handler: Handler, call: Call, interceptors: Iterable[Interceptor]) -> Call:
    """Wrap a handler's call in interceptors, the first added outermost.

    Raises:
        TypeError: if an interceptor does not return a callable.
    """
    for interceptor in reversed(tuple(interceptors)):
        call = interceptor(handler, call)
        if not callable(call):
            raise TypeError(f"interceptor {name_of(interceptor)} returned {call!r}, not a callable")
    return call
