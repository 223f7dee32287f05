"""Clashes: what is installed and has a new plugin's name; nothing is imported to find out."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import importlib_metadata

from busway_cli._new_names import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_cli._new_names import Names

__all__ = ["clash"]


def clash(names: Names) -> str:
    """What has one of the names already, and the remedy; an empty text if nothing has."""
    for name, version, plugins in _installed():
        if normalise(name) == names.distribution:
            return f"{name} {version} is installed: choose another name, or uninstall it"
        if names.plugin in plugins:
            return (
                f"{name} {version} brings a plugin {names.plugin!r}, and of two neither would run: "
                "choose another name, or uninstall it"
            )
    return _importable(names.package)


def _installed() -> Iterator[tuple[str, str, set[str]]]:
    """Each distribution's name and version, and the names of its plugins and commands."""
    for one in importlib_metadata.distributions():
        try:
            points = [point for point in one.entry_points if point.group.startswith("busway.")]
            yield str(one.name), str(one.version), {normalise(point.name) for point in points}
        except Exception:  # noqa: BLE001, S112 - broken metadata; `load_plugins` tells of it
            continue


def _importable(package: str) -> str:
    spec = find_spec(package)
    if spec is None:
        return ""
    place = spec.origin or ", ".join(spec.submodule_search_locations or ())
    return f"there is a module {package!r} ({place}): choose another name"
