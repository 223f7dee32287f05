"""The defaults of a plugin's settings: those of its constructor, if it was imported."""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import importlib_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway.plugins import PluginRow

__all__ = ["defaults_of"]

_GROUPS: Final = (
    "busway.handlers",
    "busway.interceptors",
    "busway.middleware",
    "busway.plugins",
)
"""Those whose classes have settings."""

_PLAIN: Final = (str, int, float, bool, list, dict, tuple, Path, type(None))


def defaults_of(row: PluginRow) -> dict[str, str]:
    """The settings that have a default, and which; none of a plugin that was not imported."""
    return {
        parameter.name: _show(parameter.default)
        for thing in _imported(row)
        if isinstance(thing, type)
        for parameter in _parameters(thing)
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and parameter.default is not parameter.empty
    }


def _imported(row: PluginRow) -> Iterator[object]:
    """What its entry points name, as far as it was imported; nothing is imported for it."""
    for point in importlib_metadata.distribution(row.distribution).entry_points:
        if point.name != row.name or point.group not in _GROUPS:
            continue
        try:
            names = filter(None, (point.attr or "").split("."))
            yield functools.reduce(getattr, names, sys.modules[point.module])
        except Exception:  # noqa: BLE001, S112 - it leads nowhere; its state and reason say so
            continue


def _parameters(thing: type) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):  # of a class that is not written in Python
        return []


def _show(value: object) -> str:
    return repr(value) if isinstance(value, _PLAIN) else f"a {type(value).__name__}"
