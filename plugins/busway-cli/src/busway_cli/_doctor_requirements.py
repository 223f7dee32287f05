"""Requirements that are not met: of Busway, of plugins, and of what those require in turn."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from busway_cli._doctor_finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from busway_cli._doctor_installed import Installation, Installed

__all__ = ["fits_busway", "unmet_requirements", "wrong_python"]

_NO_EXTRA: Final = frozenset({""})


def unmet_requirements(installation: Installation) -> Iterator[Finding]:
    """What is required and missing, or installed in a version that will not do."""
    for one, requirement in _applying(installation):
        found = installation.found.get(canonicalize_name(requirement.name))
        if found is None:
            yield _finding(one, requirement, "which is not installed")
        elif not _is_met(requirement.specifier, found.version):
            yield _finding(one, requirement, f"and {found.version} is installed")


def wrong_python(installation: Installation) -> Iterator[Finding]:
    """Distributions that want another Python."""
    running = platform.python_version()
    for one in installation.concerned:
        try:
            specifier = SpecifierSet(one.python)
        except InvalidSpecifier:
            continue
        if not _is_met(specifier, running):
            yield Finding(
                "python",
                str(one),
                f"requires Python {one.python}, and this is {running}",
                "install another version of it, or use a Python that will do",
            )


def fits_busway(one: Installed, installation: Installation) -> bool:
    """Whether a distribution can be used with the Busway that is installed."""
    busway = installation.found.get("busway")
    return all(
        busway is None or _is_met(requirement.specifier, busway.version)
        for requirement in one.requirements
        if canonicalize_name(requirement.name) == "busway" and _applies(requirement, _NO_EXTRA)
    )


def _applying(installation: Installation) -> Iterator[tuple[Installed, Requirement]]:
    """Each requirement once, and then those of what it asks for, with the extras of it."""
    waiting = [(one, _NO_EXTRA) for one in installation.concerned]
    seen: set[tuple[str, Requirement]] = set()
    while waiting:
        one, extras = waiting.pop(0)
        for requirement in one.requirements:
            if (one.name, requirement) in seen or not _applies(requirement, extras):
                continue
            seen.add((one.name, requirement))
            yield one, requirement
            found = installation.found.get(canonicalize_name(requirement.name))
            if found is not None:
                waiting.append((found, _NO_EXTRA | requirement.extras))


def _finding(one: Installed, requirement: Requirement, why: str) -> Finding:
    wanted = f"{requirement.name}{requirement.specifier}"
    return Finding(
        "requirements",
        str(one),
        f"requires {wanted}, {why}",
        f"pip install '{wanted}', or another version of {one.name}",
    )


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    if requirement.marker is None:
        return True
    try:
        return any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False


def _is_met(specifier: SpecifierSet, version: str) -> bool:
    """Whether a version will do; one that cannot be read does."""
    try:
        return specifier.contains(version, prereleases=True)
    except (InvalidVersion, TypeError):
        return True
