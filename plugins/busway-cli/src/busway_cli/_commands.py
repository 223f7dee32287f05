"""The commands that plugins bring: found without an import, imported when they are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click
import importlib_metadata

from busway.policy import Policy
from busway_cli._streams import Refusal, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importlib_metadata import EntryPoint

__all__ = ["PluginCommand", "plugin_commands"]

_GROUP: Final = "busway.commands"


@dataclass(frozen=True, slots=True)
class PluginCommand:
    """A command's name and who brings it.

    Attributes:
        name: the name.
        points: the entry points of that name, one a distribution, sorted by it.
    """

    name: str
    points: tuple[EntryPoint, ...]

    @property
    def origin(self) -> str:
        """The distributions that bring it, with their versions."""
        return " and ".join(_distribution(point) for point in self.points)

    def load(self) -> click.Command:
        """Import it.

        Raises:
            Refusal: if policy does not allow a plugin of its name, several distributions bring it,
                its import fails, or it is no command.
        """
        objection = Policy().objection(self.name)
        if objection:
            raise Refusal(f"the command {self.name!r} of {self.origin} is blocked: {objection}")
        if len(self.points) > 1:
            raise Refusal(f"{self.origin} both bring a command {self.name!r}: uninstall one")
        (point,) = self.points
        try:
            command: object = point.load()
        except (Exception, SystemExit) as error:
            raise Refusal(
                f"the command {self.name!r} of {self.origin} cannot be loaded: {describe(error)}"
            ) from error
        if not isinstance(command, click.Command):
            raise Refusal(
                f"the command {self.name!r} of {self.origin} cannot be loaded: "
                f"{point.value} is no click command"
            )
        return command


def plugin_commands() -> dict[str, PluginCommand]:
    """The commands of the installed plugins, by name, sorted."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(_points(), key=lambda one: (one.name, _distribution(one))):
        found.setdefault(point.name, []).append(point)
    return {name: PluginCommand(name, tuple(points)) for name, points in found.items()}


def _points() -> Iterator[EntryPoint]:
    """The entry points; of a distribution that is installed twice, those of the first."""
    seen: set[str] = set()
    for distribution in importlib_metadata.distributions():
        try:
            points = [one for one in distribution.entry_points if one.group == _GROUP]
            name = distribution.metadata["Name"] if points else ""
        except Exception:  # noqa: BLE001, S112 - broken metadata; `load_plugins` tells of it
            continue
        if points and name not in seen:
            seen.add(name)
            yield from points


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
