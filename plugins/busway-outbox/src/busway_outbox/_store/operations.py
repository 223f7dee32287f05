"""The operations: each is a part of a transaction, shared with those of others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from busway_outbox._store import statements
from busway_outbox._store.rows import Depth, Lease, Unclaimed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from busway_outbox._store.database import Database

__all__ = [
    "Beat",
    "Claim",
    "Claimed",
    "Measure",
    "Nothing",
    "Operation",
    "Purge",
    "Record",
    "Settle",
    "release",
    "run",
]

_R = TypeVar("_R")
_COUNTED: Final = 10_000
"""Rows that are counted at most: a count of millions would hold up who waits for a commit."""


class Operation(Generic[_R]):
    """A part of a transaction; its result holds once that is committed."""

    def run(self, database: Database) -> _R:
        """Do it, within a transaction."""
        raise NotImplementedError

    def leases(self, result: _R) -> Sequence[Lease]:  # noqa: ARG002 - of those that lease
        """What it has leased."""
        return ()


@dataclass(slots=True)
class Settle(Operation[object]):
    """Says how an attempt ended.

    Attributes:
        seq: of which row.
        statement: one of those that end an attempt.
        parameters: its parameters; those that are done have none.
    """

    seq: int
    statement: str
    parameters: tuple[object, ...] = ()

    def run(self, database: Database) -> None:
        """Run it alone."""
        _settle(database, self.statement, [self])


def release(lease: Lease, owner: str, seconds: float = 0.0) -> Settle:
    """Gives a row back, of which nothing was tried; it may be taken after so many seconds."""
    return Settle(lease.seq, statements.RELEASE, (seconds, lease.seq, owner))


class Nothing(Operation[object]):
    """Waits for those before it."""

    def run(self, database: Database) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Record(Operation["Lease | None"]):
    """Records a delivery that begins, and leases it.

    Attributes:
        event_id: the id of the event.
        handler: the handler's name.
        type: the type of event.
        event: the event as JSON.
        owner: who leases it.
        lease: for how many seconds.
    """

    event_id: str
    handler: str
    type: str
    event: str = field(repr=False)
    owner: str
    lease: float

    @property
    def key(self) -> tuple[str, str]:
        """What there is one row for."""
        return self.event_id, self.handler

    def run(self, database: Database) -> Lease | None:
        """Record it alone."""
        (found,) = _record(database, [self])
        return found

    def leases(self, result: Lease | None) -> Sequence[Lease]:
        """The one row, if it is ours."""
        return () if result is None else (result,)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was claimed.

    Attributes:
        leases: the rows.
        next_due: seconds until the next row is due; None if there is none.
    """

    leases: Sequence[Lease]
    next_due: float | None


@dataclass(slots=True)
class Claim(Operation[Claimed]):
    """Leases rows that are due.

    Attributes:
        handlers: the names of those that are here.
        types: of event that are known here.
        most: how many rows at most.
        owner: who leases them.
        lease: for how many seconds.
    """

    handlers: Sequence[str]
    types: Sequence[str]
    most: int
    owner: str
    lease: float

    def run(self, database: Database) -> Claimed:
        """Claim them, and see when the next is due."""
        sql = database.dialect.sql
        known = (database.list_of(self.handlers), database.list_of(self.types))
        rows = database.all(sql(statements.CLAIM), (self.owner, self.lease, *known, self.most))
        leases = [Lease(*cast("tuple[int, str, str, int, str]", row)) for row in rows]
        due = database.all(sql(statements.NEXT_DUE), known)
        return Claimed(leases, cast("float", due[0][0]) if due else None)

    def leases(self, result: Claimed) -> Sequence[Lease]:
        """Those that were claimed."""
        return result.leases


@dataclass(slots=True)
class Beat(Operation[object]):
    """Prolongs the leases of a process that lives.

    Attributes:
        seqs: the rows.
        owner: who leases them.
        lease: for how many seconds from now.
    """

    seqs: Sequence[int]
    owner: str
    lease: float

    def run(self, database: Database) -> set[int]:
        """The rows that are leased still."""
        parameters = (self.lease, database.list_of(self.seqs), self.owner)
        rows = database.all(database.dialect.sql(statements.BEAT), parameters)
        return {cast("int", row[0]) for row in rows}


@dataclass(slots=True)
class Measure(Operation["tuple[Depth, list[Unclaimed]]"]):
    """Counts what is not over, and finds what nobody takes.

    Attributes:
        handlers: the names of those that are here.
        types: of event that are known here.
        late: seconds after which a row that is due should have been taken.
    """

    handlers: Sequence[str]
    types: Sequence[str]
    late: float

    def run(self, database: Database) -> tuple[Depth, list[Unclaimed]]:
        """Count them."""
        sql = database.dialect.sql
        (live,) = database.all(sql(statements.COUNT_LIVE), (_COUNTED,))
        (dead,) = database.all(sql(statements.COUNT_DEAD))
        known = (database.list_of(self.handlers), database.list_of(self.types))
        late = database.all(sql(statements.UNCLAIMED), (self.late, _COUNTED, *known))
        depth = Depth(*cast("tuple[int, int, float]", live), cast("int", dead[0]))
        return depth, [Unclaimed(*cast("tuple[str, str, int]", row)) for row in late]


@dataclass(slots=True)
class Purge(Operation[int]):
    """Deletes rows that have long been over.

    Attributes:
        state: `done` or `dead`.
        age: seconds since.
        most: how many at most: a transaction is to be short.
    """

    state: str
    age: float
    most: int

    def run(self, database: Database) -> int:
        """How many were deleted."""
        parameters = (self.state, self.age, self.most)
        return len(database.all(database.dialect.sql(statements.PURGE), parameters))


def run(database: Database, operations: Sequence[Operation[object]]) -> list[object]:
    """Do operations of one transaction, alike ones at once; the results are in their order.

    Rows are gone through in one order by all processes, lest two wait for each other.
    """
    results: list[object] = [None] * len(operations)
    settles: dict[str, list[Settle]] = {}
    places: dict[tuple[str, str], int] = {}
    others: list[int] = []
    for place, operation in enumerate(operations):
        if isinstance(operation, Record):
            places.setdefault(operation.key, place)  # the second of a key finds the row taken
        elif isinstance(operation, Settle):
            settles.setdefault(operation.statement, []).append(operation)
        else:
            others.append(place)
    for statement in sorted(settles):
        _settle(database, statement, settles[statement])
    keys = sorted(places)
    records = [cast("Record", operations[places[key]]) for key in keys]
    for key, found in zip(keys, _record(database, records), strict=True):
        results[places[key]] = found
    for place in others:
        results[place] = operations[place].run(database)
    return results


def _record(database: Database, records: Sequence[Record]) -> list[Lease | None]:
    if not records:
        return []
    deliveries = [(one.event_id, one.handler, one.type, one.event) for one in records]
    found = database.record(deliveries, records[0].lease, records[0].owner)
    return [
        None if row is None else Lease(row[0], one.event_id, one.handler, row[1])
        for one, row in zip(records, found, strict=True)
    ]


def _settle(database: Database, statement: str, group: Sequence[Settle]) -> None:
    sql = database.dialect.sql(statement)
    if statement in (statements.DONE, statements.FORGET):  # nothing differs but the row
        database.many(sql, [(database.list_of([one.seq for one in group]),)])
    else:
        database.many(sql, [one.parameters for one in group])
