"""Discovery: what the entry points of the installed distributions say, before any import."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from busway._names import text_of

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint
    from importlib_metadata._meta import IDistribution

__all__ = ["GROUPS", "Candidate", "busway_version", "discover", "normalise_name"]

_log = logging.getLogger("busway.plugins")

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
    """All plugins that are installed, sorted by group, name and distribution.

    A distribution whose metadata cannot be read is passed over, and named in the log.
    """
    # imported here: `import busway` reads no metadata
    import importlib_metadata

    found: dict[str, list[Candidate]] = {}
    for distribution in importlib_metadata.distributions():
        try:
            candidates = _read(distribution)
        except Exception as error:  # noqa: BLE001 - metadata can be broken in any way
            place = getattr(distribution, "_path", "a distribution")
            _log.warning("the metadata in %s cannot be read: %s", place, text_of(error))
            continue
        if candidates:  # of two that are installed the first on the path counts
            found.setdefault(candidates[0].distribution, candidates)
    everything = [one for candidates in found.values() for one in candidates]
    return sorted(everything, key=_order)


def busway_version() -> str:
    """The version that is running; empty if it runs from a source tree that was not installed."""
    # imported here: as in discover()
    from importlib_metadata import PackageNotFoundError, version

    try:
        return version("busway")
    except PackageNotFoundError:
        return ""


def normalise_name(name: str) -> str:
    """The normalised name of a distribution.

    Source: PEP 503.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(distribution: IDistribution) -> list[Candidate]:
    by_name: dict[str, dict[str, EntryPoint]] = {}
    for point in distribution.entry_points:
        if point.group in GROUPS:
            by_name.setdefault(point.name, {}).setdefault(point.group, point)
    if not by_name:
        return []
    metadata = distribution.metadata  # read anew each time it is asked for
    name, version = normalise_name(metadata["Name"]), metadata["Version"]
    requirements = tuple(metadata.get_all("Requires-Dist") or distribution.requires or ())
    return [
        Candidate(plugin, name, version, requirements, tuple(points[one] for one in sorted(points)))
        for plugin, points in by_name.items()
    ]


def _order(candidate: Candidate) -> tuple[str, str, str]:
    return candidate.entry_points[0].group, candidate.name, candidate.distribution
