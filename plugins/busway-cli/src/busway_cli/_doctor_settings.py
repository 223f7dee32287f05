"""Settings, policy and variables: what names nothing, and what contradicts something else."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from busway import PluginSettingsError
from busway.policy import Policy
from busway.settings import Configuration, environment_prefix
from busway_cli._doctor_finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from busway_cli._doctor_installed import Installation, Installed

__all__ = [
    "VARIABLES",
    "required_plugins",
    "settings_of_plugins",
    "unknown_names",
    "unknown_variables",
]

VARIABLES: Final = frozenset(
    {"BUSWAY_CONFIG", "BUSWAY_DEBUG", "BUSWAY_DISABLE", "BUSWAY_PLUGINS", "BUSWAY_STRICT"}
)
"""Those that Busway itself reads."""

_CHECK: Final = "settings"
_REQUIRE: Final = "[bus] require"
_POLICY: Final = ("BUSWAY_DISABLE", "BUSWAY_PLUGINS")


def settings_of_plugins(installation: Installation) -> Iterator[Finding]:
    """Settings that cannot be read or had, plugins enabled and blocked, and those of two."""
    try:
        configuration, policy = Configuration(), Policy()
    except PluginSettingsError as error:
        yield Finding(_CHECK, error.source, str(error), "mend it")
        return
    for name, brought_by in installation.plugins.items():
        try:
            yield from _contradictions(name, brought_by, configuration, policy)
        except PluginSettingsError as error:
            yield Finding(_CHECK, f"plugin {name}", str(error), "mend it")


def required_plugins(installation: Installation) -> Iterator[Finding]:
    """Plugins that `[bus] require` wants and that are kept out, or installed in another version."""
    policy, configuration = Policy(), _configuration()
    for one in configuration.required if configuration is not None else ():
        found = installation.plugins.get(one.name, [])
        told = f"requires {one}, and "
        if found and not any(one.is_met_by(each.version) for each in found):
            told += f"{' and '.join(map(str, found))} is installed"
            yield Finding(_CHECK, _REQUIRE, told, f"install {one}, or require less")
        elif found and policy.objection(one.name):
            told += f"policy blocks it: {policy.objection(one.name)}"
            yield Finding(_CHECK, _REQUIRE, told, "take one of the two back")


def unknown_names(installation: Installation) -> Iterator[Finding]:
    """Plugins that settings, requirements or policy name and that are not installed."""
    plugins = installation.plugins
    for where, name in _named():
        if name not in plugins:
            yield Finding(
                _CHECK,
                where,
                f"names a plugin {name!r}, which is not installed",
                f"{_guess(name, plugins)}install it, or take the name out",
            )


def unknown_variables(installation: Installation) -> Iterator[Finding]:
    """Variables that look like Busway's and that nobody reads."""
    prefixes = [environment_prefix(name) for name in installation.plugins]
    for variable in sorted(os.environ):
        known = variable in VARIABLES or variable.startswith(tuple(prefixes))
        if variable.startswith("BUSWAY_") and not known:
            begin, mark, rest = variable.partition("__")
            guesses = [_guess(begin + mark, prefixes, rest), _guess(variable, VARIABLES)]
            if not mark:  # those of Busway itself have none, those of settings do
                guesses.reverse()
            guess = guesses[0] or guesses[1]
            yield Finding(
                "variables",
                variable,
                "is no setting of Busway, nor of a plugin that is installed",
                f"{guess}correct it, or unset it",
            )


def _contradictions(
    name: str, brought_by: list[Installed], configuration: Configuration, policy: Policy
) -> Iterator[Finding]:
    section, blocked = configuration.section(name), policy.objection(name)
    if section.enabled and blocked:
        problem = f"its settings say enabled = true, and policy blocks it: {blocked}"
        yield Finding(_CHECK, f"plugin {name}", problem, "take one of the two back")
    if blocked or section.enabled is False:
        return
    if len(brought_by) > 1 and section.distribution is None:
        yield Finding(
            "duplicates",
            f"plugin {name}",
            f"is brought by {' and '.join(map(str, brought_by))}",
            f'uninstall one, or say [plugins.{name}] distribution = "{brought_by[0].name}"',
        )
    section.values()  # are the secrets there?


def _named() -> Iterator[tuple[str, str]]:
    """The plugins that are named, and where."""
    for variable in _POLICY:
        names = os.environ.get(variable, "").split(",")
        yield from ((variable, name.strip()) for name in names if name.strip())
    configuration = _configuration()
    if configuration is None:
        return
    for name in sorted(configuration.names()):
        ordered = name in configuration.middleware
        yield "[bus] middleware" if ordered else f"[plugins.{name}]", name
    yield from ((_REQUIRE, one.name) for one in configuration.required)


def _configuration() -> Configuration | None:
    """The settings; None if they cannot be read, which is told elsewhere."""
    try:
        return Configuration()
    except PluginSettingsError:
        return None


def _guess(name: str, known: Collection[str], rest: str = "") -> str:
    near = get_close_matches(name, known, 1, cutoff=0.75)
    return f"did you mean {near[0]}{rest}? " if near else ""
