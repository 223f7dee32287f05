"""Judging: which plugins may become active, by all that is known before an import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway._discovery import busway_version, normalise_name
from busway._loading import PluginState
from busway._requirements import unmet
from busway.exceptions import PluginLoadError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from busway._loading import Loading, PluginRow
    from busway.exceptions import PluginError
    from busway.policy import Policy, Required
    from busway.settings import Configuration

__all__ = ["absences", "judge", "refuse_second"]


def judge(
    loadings: Iterable[Loading],
    policy: Policy,
    configuration: Configuration,
    rivals: Counter[str],
) -> None:
    """All that is known before an import."""
    running = busway_version()
    for one in loadings:
        objection = policy.objection(one.candidate.name)
        if objection:
            one.stop(PluginState.BLOCKED, objection)
            continue
        with one.guard("settings"):
            one.section = configuration.section(one.candidate.name)
        if one.going:
            _judge_one(one, rivals[one.candidate.name], running)


def _judge_one(one: Loading, rivals: int, running: str) -> None:
    candidate, chosen = one.candidate, one.section.distribution
    requirement = unmet(candidate.requirements, running)
    if one.section.enabled is False:
        one.stop(PluginState.DISABLED, "its settings say enabled = false")
    elif chosen is not None and normalise_name(chosen) != candidate.distribution:
        one.stop(PluginState.BLOCKED, f"its settings say distribution = {chosen!r}")
    elif chosen is None and rivals > 1:
        one.stop(
            PluginState.CONFLICT,
            f"{rivals} distributions bring a plugin {candidate.name!r}: uninstall one, or say "
            f'[plugins.{candidate.name}] distribution = "{candidate.distribution}"',
        )
    elif requirement is not None:
        one.stop(
            PluginState.INCOMPATIBLE,
            f"{candidate.distribution} {candidate.version} requires {requirement!r}, and this is "
            f"busway {running}: upgrade one of them",
        )


def refuse_second(loadings: Iterable[Loading], active: Mapping[str, str]) -> None:
    """One name is one plugin: what is active stays.

    Args:
        loadings: what is new.
        active: the distributions of the active plugins, by plugin.
    """
    for one in loadings:
        if one.going and one.candidate.name in active:
            distribution = active[one.candidate.name]
            one.stop(PluginState.CONFLICT, f"it is active already, from {distribution}")


def absences(required: Iterable[Required], rows: Collection[PluginRow]) -> Iterator[PluginError]:
    """Why the plugins that are required would not be active."""
    for one in required:
        named = [row for row in rows if row.name == one.name]
        active = [row for row in named if row.state is PluginState.ACTIVE]
        if any(one.is_met_by(row.version) for row in active):
            continue
        told = [f"{row.distribution} {row.version} is active" for row in active] or [
            f"it is {row.state}: {row.reason}" for row in named
        ]
        why = "; ".join(told) or "no installed distribution brings it: install one"
        yield PluginLoadError(f"plugin {one} is required ({one.source}): {why}", plugin=one.name)
