"""Routes: which events go out, and on which subject."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from busway.events import event_types
from busway.handlers import ANY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum
    from typing import Literal

    from busway.handlers import AnyType

__all__ = ["Routes"]


class Routes:
    """Subjects by type of event.

    Args:
        out: by type, or by pattern (`order.*`, `*`); the first that fits counts.

    Raises:
        ValueError: if a type or a subject is no name.
    """

    def __init__(self, out: Mapping[str, str]) -> None:
        for pattern, subject in out.items():
            if not pattern or not subject or not subject.isprintable() or " " in subject:
                raise ValueError(f"out: {pattern!r} = {subject!r}: a type and a subject, no spaces")
        self._out = dict(out)
        self._found: dict[str, str | None] = {}

    @property
    def subjects(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(self._out.values()))

    def subject(self, type_: str) -> str | None:
        """Where an event of this type goes; None if it stays."""
        try:
            return self._found[type_]
        except KeyError:
            fits = (to for pattern, to in self._out.items() if fnmatchcase(type_, pattern))
            self._found[type_] = found = next(fits, None)
            return found

    def types(self) -> Sequence[StrEnum | str | Literal[AnyType.ANY]]:
        """The types that go out, of those that are registered now; `ANY` if `*` is among them."""
        if "*" in self._out:
            return [ANY]
        known = [type_ for type_ in event_types() if self.subject(type_) is not None]
        exact = [type_ for type_ in self._out if not set("*?[") & set(type_)]
        return list(dict.fromkeys([*known, *exact]))
