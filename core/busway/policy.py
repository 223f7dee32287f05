"""Policy: which plugins may be imported at all, and which there must be."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from busway._requirements import is_specifier, meets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Policy", "Required", "read_required"]

_REQUIRED: Final = re.compile(r"\s*(?P<name>[^\s<>=!~]+)\s*(?P<specifier>.*?)\s*")


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


@dataclass(frozen=True, slots=True)
class Required:
    """A plugin that must be active.

    Attributes:
        name: the plugin's.
        specifier: which versions of its distribution will do, as `>=0.2,<1`; any if empty.
        source: who requires it.
    """

    name: str
    specifier: str
    source: str

    def __str__(self) -> str:
        return f"{self.name}{self.specifier}"

    def is_met_by(self, version: str) -> bool:
        """Whether a version of the plugin's distribution will do."""
        return not self.specifier or meets(version, self.specifier)


def read_required(texts: Collection[str], source: str) -> Iterator[Required]:
    """Read what is required: plugins' names, each with or without a version specifier.

    Raises:
        TypeError: if it is a str.
        ValueError: if one cannot be read.
    """
    if isinstance(texts, str):
        raise TypeError(f"{source} is a list of plugins' names, not the str {texts!r}")
    for text in texts:
        found = _REQUIRED.fullmatch(text)
        if found is None or not is_specifier(found["specifier"]):
            raise ValueError(
                f"{text!r} is no plugin's name with or without versions, as in ['audit>=0.2']"
            )
        yield Required(found["name"], found["specifier"], source)


def _names(source: str, names: Collection[str] | None) -> tuple[str, frozenset[str]] | None:
    if isinstance(names, str):
        raise TypeError(f"{source} is a list of plugins' names, not the str {names!r}")
    return None if names is None else (f"{source}=", frozenset(names))


def _environment_names(variable: str) -> tuple[str, frozenset[str]] | None:
    text = os.environ.get(variable)
    if text is None:
        return None
    return variable, frozenset(name.strip() for name in text.split(",") if name.strip())
