"""Discovery: what the entry points of the installed distributions say, before any import."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

__all__ = ["GROUPS", "Candidate", "discover"]

GROUPS: Final = (
    "busway.event_types",
    "busway.handlers",
    "busway.interceptors",
    "busway.middleware",
    "busway.plugins",
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that was found: what one distribution brings under one name.

    Attributes:
        name: the entry points' name.
        distribution: the distribution's name.
        version: its version.
        requirements: its `Requires-Dist` lines.
        entry_points: one or several, of different groups.
    """

    name: str
    distribution: str
    version: str
    requirements: tuple[str, ...]
    entry_points: tuple[EntryPoint, ...]

    @property
    def kind(self) -> str:
        """What it brings: the groups' names without `busway.`, joined by a comma."""
        groups = dict.fromkeys(point.group for point in self.entry_points)
        return ", ".join(group.removeprefix("busway.") for group in groups)


def discover() -> list[Candidate]:
    """All plugins that are installed, sorted by group, name and distribution."""
    # imported here: `import busway` reads no metadata
    import importlib_metadata

    found: dict[tuple[str, str], list[EntryPoint]] = {}
    points = [one for one in importlib_metadata.entry_points() if one.group in GROUPS]
    points.sort(key=lambda one: (one.group, one.name, _distribution_name(one)))
    for point in points:
        same = found.setdefault((point.name, _distribution_name(point)), [])
        if not any(one.group == point.group for one in same):
            same.append(point)
    return [_candidate(name, points) for (name, _), points in found.items()]


def _candidate(name: str, points: list[EntryPoint]) -> Candidate:
    distribution = points[0].dist
    requirements = (distribution.requires if distribution else None) or ()
    return Candidate(
        name,
        _distribution_name(points[0]),
        (distribution.version if distribution else "") or "",
        tuple(requirements),
        tuple(points),
    )


def _distribution_name(point: EntryPoint) -> str:
    """The normalised name of an entry point's distribution.

    Source: PEP 503.
    """
    name = (point.dist.name if point.dist else "") or "unknown"
    return re.sub(r"[-_.]+", "-", name).lower()
