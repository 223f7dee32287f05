"""Policy: which plugins may be imported at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Policy"]


class Policy:
    """Which plugins may be imported at all: what the application and its operator both allow."""

    def __init__(
        self, allow: Collection[str] | None = None, deny: Collection[str] | None = None
    ) -> None:
        self._allowed = [_names("allow", allow), _environment_names("BUSWAY_PLUGINS")]
        denied = [_names("deny", deny), _environment_names("BUSWAY_DISABLE")]
        self._denied = [one for one in denied if one is not None]

    def objection(self, name: str) -> str:
        """Why a plugin may not be imported, or an empty text."""
        for allowed in self._allowed:
            if allowed is not None and name not in allowed[1]:
                return f"not in {allowed[0]}"
        for source, denied in self._denied:
            if name in denied:
                return f"denied by {source}"
        return ""

    def names(self) -> set[str]:
        """All names that the policy speaks of."""
        spoken = [*self._allowed, *self._denied]
        return {name for one in spoken if one is not None for name in one[1]}


def _names(source: str, names: Collection[str] | None) -> tuple[str, frozenset[str]] | None:
    if isinstance(names, str):
        raise TypeError(f"{source} is a list of plugins' names, not the str {names!r}")
    return None if names is None else (f"{source}=", frozenset(names))


def _environment_names(variable: str) -> tuple[str, frozenset[str]] | None:
    text = os.environ.get(variable)
    if text is None:
        return None
    return variable, frozenset(name.strip() for name in text.split(",") if name.strip())
