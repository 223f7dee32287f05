"""The tally of a run: what passes through the bus, and how each handler ends, nested or not."""

from __future__ import annotations

from asyncio import CancelledError
from collections import Counter
from dataclasses import dataclass, fields
from itertools import count
from typing import TYPE_CHECKING

from busway import SkipHandler
from busway.handlers import handler_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from busway import Event
    from busway.handlers import Call, Handler

__all__ = ["Outcomes", "Tally", "named"]


@dataclass(slots=True)
class Outcomes:
    """How often a handler ended in which way: see `HandlerOutcome.status`."""

    ok: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0

    def to_dict(self) -> dict[str, int]:
        """The counts by status."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


class Tally:
    """Counts events that are dispatched, and outcomes by handler.

    Attributes:
        events: how many were dispatched, by type; a type is a string.
        dispatched: how many in all.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.dispatched = 0
        self._outcomes: dict[int, tuple[Handler, Outcomes]] = {}

    def count_event(self, event: Event) -> Event:
        """As the last middleware: whatever comes this far is dispatched."""
        self.events[event.type] += 1
        self.dispatched += 1
        return event

    def count_outcomes(self, handler: Handler, call: Call) -> Call:
        """As the first interceptor: it sees what the bus sees, after retries and the like."""
        _, outcomes = self._outcomes.setdefault(id(handler), (handler, Outcomes()))

        async def counted(event: Event) -> None:
            try:
                await call(event)
            except SkipHandler:
                outcomes.skipped += 1
                raise
            except CancelledError:
                outcomes.cancelled += 1
                raise
            except BaseException:
                outcomes.failed += 1
                raise
            outcomes.ok += 1

        return counted

    def forget(self, handler: Handler) -> None:
        """Leave out one that is not to be reported."""
        self._outcomes.pop(id(handler), None)

    def outcomes(self, subscribed: Iterable[Handler]) -> dict[str, Outcomes]:
        """By the handlers' names: those subscribed now first, as `bus.health()` names them."""
        gone = [handler for handler, _ in self._outcomes.values()]
        return {
            name: self._outcomes[id(handler)][1]
            for name, handler in named([*subscribed, *gone]).items()
            if id(handler) in self._outcomes
        }


def named(handlers: Iterable[Handler]) -> dict[str, Handler]:
    """Handlers by their names; of several with one name, the later get `#2`, `#3`."""
    found: dict[str, Handler] = {}
    for handler in {id(one): one for one in handlers}.values():
        name = handler_name(handler)
        candidates = (name if n == 1 else f"{name}#{n}" for n in count(1))
        found[next(one for one in candidates if one not in found)] = handler
    return found
