"""Give a handler events, in company and alone, and a life: what the kit's tests look at."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from busway.bus import EventBus
from busway.events import Event, EventType
from busway.handlers import ANY, EventHandler, handler_name
from busway_testing._leaks import tasks_left
from busway_testing._running import BRAKE, fail, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from busway.handlers import Handler
    from busway.results import PublishResult
    from busway_testing._installed import Installed

__all__ = [
    "awkward_events",
    "call_method",
    "deliver",
    "handling",
    "live_twice_over",
    "publish_among_others",
]

_TYPES: Final = 20
"""Types of event that awkward payloads are tried with."""


class _Witness(EventHandler):
    """A sibling that notes what it gets, after a moment."""

    event_types = (ANY,)

    def __init__(self) -> None:
        self.seen: list[Event] = []

    async def handle(self, event: Event) -> None:
        await asyncio.sleep(0)
        self.seen.append(event)


async def deliver(handler: Handler, event: Event) -> PublishResult:
    """Publish to one handler alone, and stop it."""
    bus = EventBus()
    bus.subscribe(handler)
    try:
        return await bus.publish(event)
    finally:
        await _stop_quietly(handler)


@asynccontextmanager
async def handling(
    installed: Installed, place: int
) -> AsyncIterator[Coroutine[object, object, None]]:
    """A new handler's `handle`, by itself; the handler is stopped afterwards."""
    handler = installed.handlers()[place]
    try:
        yield call_method(handler, "handle", installed.event_for(handler))
    finally:
        await _stop_quietly(handler)


async def publish_among_others(handler: Handler, event: Event) -> str:
    """What was wrong with a publish to a handler between two others, or an empty text."""
    bus, first, last = EventBus(), _Witness(), _Witness()
    for one in (first, handler, last):
        bus.subscribe(one)
    limit = asyncio.timeout(BRAKE / 2)  # within that of who runs this
    try:
        async with limit:
            await bus.publish(event)
    except BaseException as error:  # noqa: BLE001 - whatever reaches a publisher is the finding
        if limit.expired():
            return f"had not ended after {BRAKE / 2:g} s"
        return f"let its publisher see {error!r}"
    finally:
        await _stop_quietly(handler)
    if not (first.seen and last.seen):
        return "kept another handler from the event"
    return ""


def awkward_events(handler: Handler, event: Event | None) -> list[Event]:
    """Of each of its types: nothing in the payload, and what should be there being None."""
    types = [EventType.USER_CREATED if one is ANY else one for one in handler.event_types]
    keys = dict.fromkeys(event.payload) if event is not None else {}
    return [Event(one, payload) for one in types[:_TYPES] for payload in ({}, keys)]


def live_twice_over(installed: Installed) -> tuple[Sequence[Handler], list[str]]:
    """A whole life of its handlers: start and stop twice, an event between; the tasks left."""
    handlers = installed.handlers()
    return handlers, run(_start_and_stop(installed, handlers))


async def _start_and_stop(installed: Installed, handlers: Sequence[Handler]) -> list[str]:
    before, bus = asyncio.all_tasks(), EventBus()
    for handler in handlers:
        bus.subscribe(handler)
    for step in ("start", "start", "publish", "stop", "stop"):
        for handler in handlers:
            if step == "publish":
                await bus.publish(installed.event_for(handler))
            else:
                await _step(handler, step, bus)
    return await tasks_left(before)


async def _step(handler: Handler, step: str, bus: EventBus) -> None:
    try:
        await call_method(handler, step, *([bus] if step == "start" else []))
    except Exception as error:  # noqa: BLE001 - of the plugin
        fail(
            f"{step}() of {handler_name(handler)} raised; each is to work twice in a row: the "
            "second time there is nothing to do",
            error,
        )


async def call_method(handler: Handler, method: str, *arguments: object) -> None:
    function = getattr(handler, method, None)
    returned: object = function(*arguments) if callable(function) else None
    if inspect.isawaitable(returned):
        await returned


async def _stop_quietly(handler: Handler) -> None:
    """Let it go; whether it can be stopped is another test's matter."""
    with suppress(Exception):
        await call_method(handler, "stop")
