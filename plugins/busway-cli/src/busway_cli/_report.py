"""The report of a run: for people, and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from busway_cli._answer import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

__all__ = ["Report", "WorkReport"]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a run.

    Attributes:
        read: lines that were not blank.
        rejected: lines that hold no event.
        published: events of the input that were dispatched.
        nested: events that handlers published and that were dispatched.
        blocked: events of the input that a middleware stopped.
        failed: failures of handlers, in `handle`, `start` and `stop`, and events that were not
            delivered because something failed.
        events: events dispatched, nested ones included, by type.
        handlers: counts by name and status, for nested events too.
        health: what the handlers say of themselves, after they were stopped.
        seconds: from the first line to the last handler stopped.
    """

    counted: ClassVar[tuple[str, ...]] = (
        *("read", "rejected", "published", "nested", "blocked", "failed"),
    )

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

    @property
    def well(self) -> bool:
        """Whether nothing was rejected, and nothing failed or was cancelled."""
        cancelled = any(counts["cancelled"] for counts in self.handlers.values())
        return not (self.rejected or self.failed or cancelled)

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)

    def tables(self) -> Iterator[RenderableType]:
        """As people read it."""
        row = [f"{getattr(self, one):,}" for one in self.counted]
        yield table(*self.counted, rows=[row], numbers=len(row))
        if self.events:
            yield ""
            rows = [(type_, f"{number:,}") for type_, number in sorted(self.events.items())]
            yield table("event", "dispatched", rows=rows, numbers=1)
        if self.handlers:
            yield ""
            yield table(
                "handler", "ok", "failed", "cancelled", "skipped", rows=self._outcomes(), numbers=4
            )
        said = list(self._said())
        if said:
            yield ""
            yield table("handler", "says", "", rows=said)
        yield ""
        rate = (self.published + self.nested) / max(self.seconds, 1e-6)
        yield f"{self.seconds:.2f} s, {rate:,.0f} events/s"

    def _outcomes(self) -> Iterator[list[str]]:
        for name, counts in self.handlers.items():
            yield [name, *(f"{number:,}" for number in counts.values())]

    def _said(self) -> Iterator[tuple[str, str, object]]:
        """One row a thing said; the name stands in the first."""
        for name, health in self.health.items():
            for index, (key, value) in enumerate(health.items()):
                yield ("" if index else name, str(key), value)


@dataclass(frozen=True, slots=True)
class WorkReport(Report):
    """What became of a worker's run: `read` counts deliveries.

    Attributes:
        duplicates: events that had been handled before, and were not once more.
    """

    counted: ClassVar[tuple[str, ...]] = (*Report.counted, "duplicates")

    duplicates: int
