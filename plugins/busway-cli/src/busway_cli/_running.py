"""Running: what `busway run` and `busway work` share, from a counted bus to an exit code."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Protocol, TypedDict

from busway import EventBus
from busway_cli._loading import load
from busway_cli._streams import describe, tell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway_cli._logs import StderrLog
    from busway_cli._report import Report
    from busway_cli._session import Session
    from busway_cli._tally import Tally

__all__ = ["Counted", "Counts", "counts_of", "exit_code", "prepare", "run_session"]


class Counted(Protocol):
    """What a session was fed, as its report counts it: see `Report`."""

    published: int
    blocked: int
    failed: int
    broken_off: bool

    @property
    def read(self) -> int: ...
    @property
    def rejected(self) -> int: ...


class Counts(TypedDict):
    """The parameters of `Report`."""

    read: int
    rejected: int
    published: int
    nested: int
    blocked: int
    failed: int
    events: Mapping[str, int]
    handlers: Mapping[str, Mapping[str, int]]
    health: Mapping[str, Mapping[str, int | str]]
    seconds: float


def prepare(tally: Tally) -> EventBus:
    """The shared bus with all plugins; the tally outermost of interceptors, last of middleware."""
    bus = EventBus.get_instance()
    bus.add_interceptor(tally.count_outcomes)
    load(bus)
    bus.add_middleware(tally.count_event)
    gc.freeze()  # what was loaded stays to the end: the collector need not look at it again
    return bus


def run_session(session: Session, log: StderrLog) -> None:
    """Run it to its end, whoever wants to end it."""
    try:
        asyncio.run(session.run())
    except SystemExit as error:  # of a task that a plugin started; the loop lets it through
        log.lost += 1
        tell(f"a plugin ended the run: {describe(error)}")


def counts_of(bus: EventBus, fed: Counted, session: Session, tally: Tally, lost: int) -> Counts:
    """All that is to be reported; `lost` errors were logged that no outcome tells of."""
    outcomes = tally.outcomes(bus.handlers)
    return {
        "read": fed.read,
        "rejected": fed.rejected,
        "published": fed.published,
        "nested": tally.dispatched - fed.published,
        "blocked": fed.blocked,
        "failed": fed.failed + lost + sum(one.failed for one in outcomes.values()),
        "events": {str(type_): number for type_, number in tally.events.items()},
        "handlers": {name: one.to_dict() for name, one in outcomes.items()},
        "health": {**session.refused, **bus.health()},
        "seconds": round(session.seconds, 6),
    }


def exit_code(session: Session, fed: Counted, report: Report) -> int:
    """What the process says at its end."""
    if session.signal is not None:
        return 128 + session.signal
    if fed.broken_off:
        return 2
    return 0 if report.well else 1
