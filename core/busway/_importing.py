"""Importing: what the entry points of a plugin name, and what is made in passing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from busway.decorators import FunctionHandler, hold_registrations
from busway.exceptions import PluginLoadError

if TYPE_CHECKING:
    from types import ModuleType

    from importlib_metadata import EntryPoint

    from busway._discovery import Candidate

__all__ = ["Imported", "import_plugin"]


@dataclass(frozen=True, slots=True)
class Imported:
    """A plugin that was imported, and nothing made of it yet.

    Attributes:
        things: what its entry points name.
        held: the handlers that `on_event` made meanwhile.
        enabled_by_default: what its classes say.
    """

    things: tuple[object, ...]
    held: tuple[FunctionHandler, ...]
    enabled_by_default: bool


def import_plugin(candidate: Candidate) -> Imported:
    """Import what a plugin's entry points name; what `on_event` makes is held back.

    Raises:
        PluginLoadError: if an entry point leads nowhere.
        BaseException: whatever the import raises.
    """
    for point in candidate.entry_points:
        if not point.pattern.match(point.value):
            raise _astray(candidate.name, point, "it should read module:attribute")
    modules = {point.module for point in candidate.entry_points}
    earlier = [one for name in sorted(modules) for one in _made_by(sys.modules.get(name))]
    with hold_registrations() as held:
        things = tuple(_load(candidate.name, point) for point in candidate.entry_points)
    enabled = all(getattr(thing, "enabled_by_default", True) for thing in things)
    return Imported(things, (*earlier, *held), enabled)


def _load(plugin: str, point: EntryPoint) -> object:
    try:
        return point.load()
    except ModuleNotFoundError as error:
        if not f"{point.module}.".startswith(f"{error.name}."):  # it is what the module imports
            raise
        raise _astray(plugin, point, str(error)) from error
    except AttributeError as error:
        if point.module not in sys.modules:  # the module itself raised it
            raise
        raise _astray(plugin, point, str(error)) from error


def _astray(plugin: str, point: EntryPoint, why: str) -> PluginLoadError:
    return PluginLoadError(
        f"its entry point {point.name} = {point.value!r} leads nowhere: {why}", plugin=plugin
    )


def _made_by(module: ModuleType | None) -> list[FunctionHandler]:
    """What `on_event` made of the functions of a module that was imported before.

    The bus that it was made for may have been reset since.
    """
    if module is None:
        return []
    handlers = [getattr(thing, "__dict__", {}).get("handler") for thing in vars(module).values()]
    return [
        one
        for one in handlers
        if isinstance(one, FunctionHandler) and one.function.__module__ == module.__name__
    ]
