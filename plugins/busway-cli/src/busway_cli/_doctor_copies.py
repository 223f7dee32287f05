"""Copies: what is installed twice, or in part, or was changed since it was installed."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Final

from busway_cli._doctor_finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from busway_cli._doctor_installed import Installation, Installed

__all__ = ["installed_twice", "stale_editables", "unreadable"]

_EDITABLE: Final = "editable installs"


def unreadable(installation: Installation) -> Iterator[Finding]:
    """Distributions whose metadata cannot be read, and so are passed over."""
    for place in installation.unreadable:
        yield Finding(
            "metadata", str(place), "cannot be read", "delete it, and install what it is of again"
        )


def installed_twice(installation: Installation) -> Iterator[Finding]:
    """Distributions of one name in several places of the path."""
    places: dict[str, dict[Path, Installed]] = {}
    for one in installation.copies:
        places.setdefault(one.name, {}).setdefault(one.place.resolve(), one)
    for name, copies in sorted(places.items()):
        first = next(iter(copies.values()))
        for place, other in list(copies.items())[1:]:
            if first.folder is not None and place.is_relative_to(first.folder.resolve()):
                continue  # what a build of an editable install left in its folder
            yield Finding(
                "duplicates",
                name,
                f"is installed twice: {first.version} in {first.place}, and {other.version} in "
                f"{other.place}, which is not used",
                "uninstall it until it is gone, and install it once",
            )


def stale_editables(installation: Installation) -> Iterator[Finding]:
    """Editable installs whose folder is gone, or whose entry points were changed since."""
    for one in installation.concerned:
        if one.folder is None:
            continue
        if not one.folder.exists():
            yield Finding(
                _EDITABLE,
                str(one),
                f"is developed in {one.folder}, which is gone",
                f"pip uninstall {one.name}, or pip install -e where it is now",
            )
            continue
        declared = _declared(one.folder / "pyproject.toml")
        if declared is not None and declared != _installed(one):
            changed = ", ".join(sorted({name for name, *_ in declared ^ _installed(one)}))
            yield Finding(
                _EDITABLE,
                str(one),
                f"its pyproject.toml has other entry points than were installed: {changed}",
                f"pip install -e {one.folder}",
            )


def _installed(one: Installed) -> set[tuple[str, str, str]]:
    return {(point.name, point.group, point.value) for point in one.points}


def _declared(file: Path) -> set[tuple[str, str, str]] | None:
    """The entry points in a pyproject.toml; None if it does not say."""
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        if "entry-points" in project.get("dynamic", ()):
            return None
        groups = project.get("entry-points", {})
        return {
            (name, group, value)
            for group, points in groups.items()
            if group.startswith("busway")
            for name, value in points.items()
        }
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError):
        return None
