"""What is installed, read from the metadata of the distributions, without an import."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from importlib_metadata import EntryPoint
    from importlib_metadata._meta import IDistribution

__all__ = ["COMMANDS", "GROUPS", "Installation", "Installed"]

COMMANDS: Final = "busway.commands"
TRANSPORTS: Final = "busway.transports"
GROUPS: Final = (
    COMMANDS,
    "busway.event_types",
    "busway.handlers",
    "busway.interceptors",
    "busway.middleware",
    "busway.plugins",
    TRANSPORTS,
)
"""The groups of entry points that Busway reads."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution.

    Attributes:
        name: normalised.
        version: its version.
        place: the folder of its metadata.
        python: the versions of Python that it requires, as a specifier.
        requirements: those that can be read.
        points: its entry points in groups whose names begin with `busway`.
        folder: where it is developed, if it is an editable install.
        keywords: its own, as they are written.
        files: the distribution itself, to ask for its files.
    """

    name: str
    version: str
    place: Path
    python: str
    requirements: tuple[Requirement, ...]
    points: tuple[EntryPoint, ...]
    folder: Path | None
    keywords: str
    files: IDistribution = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def requires_busway(self) -> bool:
        """Whether it does, without any of its extras."""
        return any(
            canonicalize_name(one.name) == "busway" and "extra" not in str(one.marker or "")
            for one in self.requirements
        )

    @property
    def concerns_busway(self) -> bool:
        """Whether it is Busway, has a plugin of it, or uses it."""
        return self.name == "busway" or bool(self.points) or self.requires_busway


class Installation:
    """All that is installed.

    Attributes:
        found: each distribution by its name: the first on the path, which counts.
        copies: those that concern Busway, hidden ones too.
        unreadable: where those stand that have entry points for Busway and no readable metadata.
    """

    def __init__(self) -> None:
        self.found: dict[str, Installed] = {}
        self.copies: list[Installed] = []
        self.unreadable: list[Path] = []
        for distribution in importlib_metadata.distributions():
            self._add(distribution)

    @property
    def concerned(self) -> list[Installed]:
        """The distributions that concern Busway, sorted by name."""
        found = sorted(self.found.values(), key=lambda one: one.name)
        return [one for one in found if one.concerns_busway]

    @property
    def plugins(self) -> dict[str, list[Installed]]:
        """The plugins by name, sorted, each with the distributions that bring it."""
        found: dict[str, list[Installed]] = {}
        for one in self.concerned:
            points = (point for point in one.points if point.group in GROUPS)
            for name in sorted({point.name for point in points if point.group != COMMANDS}):
                found.setdefault(name, []).append(one)
        return dict(sorted(found.items()))

    def _add(self, distribution: IDistribution) -> None:
        points: tuple[EntryPoint, ...] = ()
        try:
            points = tuple(_points(distribution))
            one = _read(distribution, points)
        except Exception:  # noqa: BLE001 - metadata can be broken in any way
            if points:
                self.unreadable.append(_place(distribution))
            return
        self.found.setdefault(one.name, one)
        if one.concerns_busway:
            self.copies.append(one)


def _read(distribution: IDistribution, points: tuple[EntryPoint, ...]) -> Installed:
    metadata = distribution.metadata
    return Installed(
        name=canonicalize_name(metadata["Name"]),
        version=metadata["Version"],
        place=_place(distribution),
        python=metadata.get("Requires-Python") or "",
        requirements=tuple(_requirements(distribution.requires or ())),
        points=points,
        folder=_folder(distribution.read_text("direct_url.json")),
        keywords=metadata.get("Keywords") or "",
        files=distribution,
    )


def _points(distribution: IDistribution) -> Iterator[EntryPoint]:
    return (one for one in distribution.entry_points if one.group.startswith("busway"))


def _place(distribution: IDistribution) -> Path:
    place: object = getattr(distribution, "_path", None)  # there is no public name for it
    return Path(str(place if place is not None else distribution.locate_file("")))


def _requirements(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        try:
            yield Requirement(text)
        except InvalidRequirement:  # the installer could not read it either
            continue


def _folder(text: str | None) -> Path | None:
    """Where an editable install is developed.

    Source: PEP 610 (`direct_url.json`).
    """
    told: object = json.loads(text or "{}")
    if not isinstance(told, dict) or not (told.get("dir_info") or {}).get("editable"):
        return None
    return Path(unquote(urlsplit(str(told["url"])).path))
