"""What all contenders of a workload are given: the very same events, middleware and handlers.

Most peers pass what was published as the first argument; Django passes it by name, beside
`signal` and `sender`, so those are parameters too. Each handler is a function of its own, since
some peers know handlers by identity.
"""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from tests.benchmarks.contenders import Handler

from busway import Event, EventType

__all__ = ["EVENT", "EVENTS", "MIDDLEWARE", "PAYLOAD", "Kind", "counted", "made"]

PAYLOAD: Final = {"user_id": 7}
EVENT: Final = Event(EventType.USER_LOGIN, PAYLOAD)
EVENTS: Final = tuple(Event(EventType.USER_LOGIN, PAYLOAD) for _ in range(1_000))


def _first(event: Event) -> Event:
    return event


def _second(event: Event) -> Event:
    return event


def _third(event: Event) -> Event:
    return event


MIDDLEWARE: Final = (_first, _second, _third)


class Kind(StrEnum):
    """What handlers do: nothing, after one suspension, or without being async at all."""

    PLAIN = "plain"
    SUSPENDING = "suspending"
    SYNC = "sync"


def _plain() -> Handler:
    async def handle(event: object = None, signal: object = None, sender: object = None) -> None:
        pass

    return handle


def _suspending() -> Handler:
    async def handle(event: object = None, signal: object = None, sender: object = None) -> None:
        await sleep(0)

    return handle


def _sync() -> Handler:
    def handle(event: object = None, signal: object = None, sender: object = None) -> None:
        pass

    return handle


_MAKERS: Final[dict[Kind, Callable[[], Handler]]] = {
    Kind.PLAIN: _plain,
    Kind.SUSPENDING: _suspending,
    Kind.SYNC: _sync,
}


def made(kind: Kind, count: int) -> list[Handler]:
    """So many handlers of a kind."""
    return [_MAKERS[kind]() for _ in range(count)]


def counted(kind: Kind, counts: list[int]) -> list[Handler]:
    """As `made`, one for each place in `counts`; each adds one to its place when it ends."""
    return [_counting(kind, counts, place) for place in range(len(counts))]


def _counting(kind: Kind, counts: list[int], place: int) -> Handler:
    handle = _MAKERS[kind]()

    async def count_async(
        event: object = None, signal: object = None, sender: object = None
    ) -> None:
        await handle(event)
        counts[place] += 1

    def count_sync(event: object = None, signal: object = None, sender: object = None) -> None:
        handle(event)
        counts[place] += 1

    return count_sync if kind is Kind.SYNC else count_async
