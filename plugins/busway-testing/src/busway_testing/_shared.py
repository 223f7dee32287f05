"""Another bus in the place of the shared one, for a while."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING

from busway.bus import EventBus
from busway.decorators import FunctionHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["functions_under_on_event", "standing_in"]


@contextmanager
def standing_in(bus: EventBus | None) -> Iterator[EventBus | None]:
    """For the time of a `with`, `bus` is the shared one, or there is none yet; yields the real one.

    Afterwards whatever is the shared bus then is reset, and the real one is back as it was.

    Warns:
        RuntimeWarning: as `EventBus.reset` does.
    """
    # reset() would empty the bus that is to come back
    with EventBus._instance_lock:  # noqa: SLF001 - there is no other way to take it away whole
        before, EventBus._instance = EventBus._instance, bus  # noqa: SLF001 - as above
    try:
        yield before
    finally:
        try:
            EventBus.reset()
        finally:
            with EventBus._instance_lock:  # noqa: SLF001 - as above
                EventBus._instance = before  # noqa: SLF001 - as above


def functions_under_on_event() -> Iterator[FunctionHandler]:
    """The handlers of functions under `@on_event` in the modules that are imported.

    Those of a bus that has been reset are found as well.
    """
    for module in tuple(sys.modules.values()):
        for thing in tuple(getattr(module, "__dict__", {}).values()):
            handler = _handler_of(thing)
            if isinstance(handler, FunctionHandler):
                yield handler


def _handler_of(thing: object) -> object:
    """An attribute `handler` of its own; asking a stranger's object for one could run anything."""
    kind = type(thing)
    if kind is FunctionType:
        return getattr(thing, "handler", None)
    if issubclass(kind, type) or not callable(thing):
        return None
    try:
        attributes: object = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    return attributes.get("handler") if isinstance(attributes, dict) else None
