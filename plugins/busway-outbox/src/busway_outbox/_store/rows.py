"""What is kept of a delivery, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["ALL_HANDLERS", "LIVE", "Depth", "Lease", "Listed", "State", "Unclaimed"]

State: TypeAlias = Literal["pending", "running", "failed", "done", "dead"]
"""`pending`: not tried yet; `running`: leased by a process that works on it; `failed`: to be tried
again; `done`; `dead`: given up after `max_attempts`."""

LIVE: Final = "state IN ('pending', 'running', 'failed')"
"""What is not over, as SQL: the indexes have it in these very words."""

ALL_HANDLERS: Final = "*"
"""In the place of a handler's name: the event is yet to be published, to all of them."""


@dataclass(slots=True)
class Lease:
    """A row that this process works on, and nobody else.

    Attributes:
        seq: the row's number.
        event_id: the id of the event.
        handler: the handler's name, or `ALL_HANDLERS`.
        attempts: how many were made, this one included.
        event: the event as JSON; empty if whoever leased it has the event.
        settled: whether its end was told.
    """

    seq: int
    event_id: str
    handler: str
    attempts: int
    event: str = field(default="", repr=False)
    settled: bool = False


class Depth(NamedTuple):
    """How much is not over.

    Attributes:
        live: rows that are not over; counted up to a bound.
        failed: of those, how many have failed and wait for the next try.
        oldest: seconds since the oldest of them was recorded.
        dead: rows that were given up.
    """

    live: int = 0
    failed: int = 0
    oldest: float = 0.0
    dead: int = 0


class Unclaimed(NamedTuple):
    """Rows that are long due, and nobody takes: their handler or type of event is not here.

    Attributes:
        handler: the handler's name.
        type: the type of event.
        rows: how many.
    """

    handler: str
    type: str
    rows: int


class Listed(NamedTuple):
    """A row as `busway outbox list` shows it.

    Attributes:
        seq: the row's number.
        event_id: the id of the event.
        type: the type of event.
        handler: the handler's name, or `*`: yet to be published.
        state: where it stands.
        attempts: how many were made.
        age: seconds since it was recorded.
        due: seconds until it is tried, or its lease ends; since it was over, negative.
        error: why the last attempt failed.
    """

    seq: int
    event_id: str
    type: str
    handler: str
    state: State
    attempts: int
    age: float
    due: float
    error: str
