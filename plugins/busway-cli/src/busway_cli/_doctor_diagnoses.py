"""Diagnoses: what plugins find themselves, by the hook `busway_diagnose`.

To be asked, they have to be imported. Only those of the group `busway.plugins` are, and of them
only who would be loaded; nothing that they bring is built or registered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

from busway import PluginSettingsError, hookspecs
from busway.policy import Policy
from busway.settings import Configuration
from busway_cli._doctor_finding import Finding
from busway_cli._doctor_requirements import fits_busway
from busway_cli._streams import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importlib_metadata import EntryPoint

    from busway.settings import Section
    from busway_cli._doctor_installed import Installation

__all__ = ["diagnoses"]

_GROUP: Final = "busway.plugins"


def diagnoses(installation: Installation) -> Iterator[Finding]:
    """What each plugin finds; that one cannot be asked is a finding too."""
    for section, point in _to_ask(installation):
        culprit, remedy = f"plugin {section.plugin}", ""
        try:
            told = _ask(section, point)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code
            told = [f"cannot be asked: {describe(error)}"]
            remedy = f"see busway plugins show {section.plugin}"
        for text in told:
            line = " / ".join(filter(None, map(str.strip, section.scrub(text).splitlines())))
            yield Finding("diagnosis", culprit, line, remedy)


def _to_ask(installation: Installation) -> Iterator[tuple[Section, EntryPoint]]:
    """The plugins that would be loaded, as far as that is known before an import."""
    try:
        configuration, policy = Configuration(), Policy()
    except PluginSettingsError:  # told by what looks at the settings; nothing would be loaded
        return
    for name, brought_by in installation.plugins.items():
        if policy.objection(name):
            continue
        try:
            section = configuration.section(name)
        except PluginSettingsError:  # told by what looks at the settings
            continue
        for one in brought_by:
            is_chosen = len(brought_by) == 1 or section.distribution == one.name
            if section.enabled is False or not is_chosen or not fits_busway(one, installation):
                continue
            points = [point for point in one.points if (point.group, point.name) == (_GROUP, name)]
            yield from ((section, point) for point in points)


def _ask(section: Section, point: EntryPoint) -> list[str]:
    thing: object = point.load()
    if section.enabled is None and not getattr(thing, "enabled_by_default", True):
        return []
    if isinstance(thing, type):
        thing = thing(**section.arguments_for(thing))
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(thing)
    told: list[str] = []
    for one in manager.hook.busway_diagnose():
        if isinstance(one, str):
            raise TypeError(f"busway_diagnose must return a list, not {one!r}")
        told += map(str, one)
    return told
