"""Entry points: those that are missing, misspelt, or lead nowhere."""

from __future__ import annotations

import importlib.util
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from busway_cli._doctor_finding import Finding
from busway_cli._doctor_installed import GROUPS
from busway_cli._doctor_sources import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importlib_metadata import EntryPoint

    from busway_cli._doctor_installed import Installation

__all__ = ["leading_nowhere", "missing", "unknown_groups"]

_CHECK: Final = "entry points"
_OURS: Final = re.compile(r"busway(\.[^.]*)?")
_AGAIN: Final = "in its pyproject.toml, and install it again"


def missing(installation: Installation) -> Iterator[Finding]:
    """Distributions that use Busway and bring no plugin: was the entry point forgotten?

    Their sources are read. Handlers and hooks that nobody hands to a bus of their own need one.
    """
    for one in installation.concerned:
        if one.points or not one.requires_busway:
            continue
        sources = Sources(one)
        if sources.run_a_bus:
            continue
        called_so = "busway" in f"{one.name} {one.keywords}".lower()
        yield Finding(
            _CHECK,
            str(one),
            "requires busway and has no entry point in a group of it, as busway.handlers",
            f"if it is a plugin, add one {_AGAIN}; if an application, nothing is wrong",
            certain=sources.define_plugins or called_so,
        )


def unknown_groups(installation: Installation) -> Iterator[Finding]:
    """Entry points in groups that nobody reads."""
    for one in installation.concerned:
        for group in sorted({point.group for point in one.points} - set(GROUPS)):
            near = get_close_matches(group, GROUPS, 1, cutoff=0.8)
            if near or _OURS.fullmatch(group):
                remedy = f"rename it to {near[0]}" if near else f"use one of {', '.join(GROUPS)},"
                problem = f"has entry points in {group!r}, which is no group of Busway"
                yield Finding(_CHECK, str(one), problem, f"{remedy} {_AGAIN}")


def leading_nowhere(installation: Installation) -> Iterator[Finding]:
    """Entry points that cannot be read, or whose package is not there."""
    for one in installation.concerned:
        if one.folder is not None and not one.folder.exists():
            continue  # what looks at editable installs tells of it
        for point in one.points:
            problem = _problem_of(point) if point.group in GROUPS else ""
            if problem:
                where = f"{point.name} = {point.value!r} in {point.group}"
                yield Finding(_CHECK, str(one), f"{where}: {problem}", f"mend it {_AGAIN}")


def _problem_of(point: EntryPoint) -> str:
    try:
        package = point.module.partition(".")[0]
    except (AttributeError, ValueError):
        return "it should read module:attribute"
    try:
        found = importlib.util.find_spec(package)
    except Exception:  # noqa: BLE001 - a module without a spec, or somebody's finder
        return ""
    return "" if found is not None else f"there is no module {package!r}"
