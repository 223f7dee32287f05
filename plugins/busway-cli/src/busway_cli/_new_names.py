"""Names: what a new plugin, its package and its classes are called, if its name will do."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from keyword import iskeyword
from typing import Final

import busway
from busway.settings import environment_prefix
from busway_cli._streams import Refusal

__all__ = ["LONGEST", "Names", "normalise"]

LONGEST: Final = 48
"""Characters of a name; up to there what is generated fits its lines."""

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_NEEDED: Final = frozenset(
    {"busway", "busway-testing", "conftest", "hatchling", "mypy", "pytest", "ruff", "src"}
)
_ENDINGS: Final = frozenset({"event", "events", "handler", "middleware", "plugin", "types"})


@dataclass(frozen=True, slots=True)
class Names:
    """What everything of a new plugin is called.

    Attributes:
        distribution: as it is installed; its folder too.
        plugin: its entry point, and the section of its settings: without `busway-` in front.
        package: as it is imported.
        stem: what the names of its classes begin with.
    """

    distribution: str
    plugin: str
    package: str
    stem: str

    @classmethod
    def of(cls, name: str) -> Names:
        """The names that follow from one.

        Args:
            name: of a distribution, normalised or not.

        Raises:
            Refusal: if it will not do; it says why.
        """
        if len(name) > LONGEST:
            raise Refusal(f"{name[:LONGEST]!r}… is too long: at most {LONGEST} characters")
        if not _NAME.fullmatch(name):
            raise Refusal(
                f"{name!r} is no name of a distribution: letters and digits of ASCII, with "
                "'-', '_' or '.' between them"
            )
        distribution = normalise(name)
        plugin = re.sub("^busway-(?=[a-z])", "", distribution)
        names = cls(distribution, plugin, distribution.replace("-", "_"), _stem(plugin))
        objection = names._objection()
        if objection:
            raise Refusal(f"{distribution!r} will not do: {objection}")
        return names

    @property
    def classes(self) -> dict[str, str]:
        """The names of the classes, by what they are."""
        return {
            "handler": f"{self.stem}Handler",
            "hooks": f"{self.stem}Plugin",
            "middleware": f"{self.stem}Middleware",
            "types": f"{self.stem}Event",
        }

    @property
    def variable(self) -> str:
        """What the environment variables of its settings begin with."""
        return environment_prefix(self.plugin)

    def _objection(self) -> str:
        """Why it will not do, or an empty text."""
        rivals = [one for one in self.classes.values() if one in busway.__all__]
        if not self.package.isidentifier():
            return f"Python cannot import a package {self.package!r}; begin with a letter"
        if iskeyword(self.package):
            return "it is a keyword of Python"
        if self.package in sys.stdlib_module_names:
            return "its package would hide a module of Python's own"
        if self.distribution in _NEEDED:
            return "what is called so is needed to build or to test it"
        if self.plugin.startswith("test"):
            return "pytest would take its classes for tests"
        return f"its class {rivals[0]} would be called as busway's own" if rivals else ""


def normalise(name: str) -> str:
    """The normalised name of a distribution.

    Source: PEP 503.
    """
    return re.sub("[-_.]+", "-", name).lower()


def _stem(plugin: str) -> str:
    """Of `acme-orders`: `AcmeOrders`; of `acme-orders-handler` too, as its class will say it."""
    words = plugin.split("-")
    while len(words) > 1 and words[-1] in _ENDINGS:
        words.pop()
    return "".join(word.capitalize() for word in words)
