"""Templates of keys, tags and patterns, and what an event makes of them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from string import Formatter
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_cache._globs import literal
from busway_cache.cache import Capability

if TYPE_CHECKING:
    from collections.abc import Callable

    from busway.events import Event

__all__ = ["Drop", "Templates"]

# What an f-string of the application writes in one way alone. A bool is an int to Python, and
# `True` to an f-string; it identifies nothing.
_WRITTEN: Final = (str, int, float, Decimal, uuid.UUID, dt.date)


@dataclass(slots=True)
class Drop:
    """What an event makes untrue.

    Attributes:
        names: keys, tags and patterns, each once, in the order of the templates.
        lacking: templates that could not be filled in.
        everything: whether one of those has no namespace that could be cleared instead.
    """

    names: dict[Capability, dict[str, None]] = field(
        default_factory=lambda: {one: {} for one in Capability}
    )
    lacking: list[str] = field(default_factory=list)
    everything: bool = False

    def add(self, capability: Capability, name: str) -> None:
        """Add one, if it is not there."""
        self.names[capability][name] = None


class _Template:
    """One template: a text with names of payload values in braces.

    Names are names, not expressions: `{user.id}`, `{user[id]}`, `{user!r}` and `{user:>9}` are
    refused, so that nothing is called that a payload brought.
    """

    def __init__(self, text: str, capability: Capability) -> None:
        self.text = text
        self._escape: Callable[[str], str] = literal if capability is Capability.PATTERNS else str
        self._parts = [
            (before, _checked(name, spec, conversion))
            for before, name, spec, conversion in Formatter().parse(text)
        ]
        if not self._parts:
            raise ValueError("it is empty")
        self.prefix = self._parts[0][0]

    def fill(self, payload: Mapping[str, object]) -> str | None:
        """The text with the payload's values, as an f-string would have it; None if one lacks."""
        text = ""
        for before, name in self._parts:
            value = "" if name is None else _written(payload.get(name))
            if value is None:
                return None
            text += before + self._escape(value)
        return text


class Templates:
    """The templates of all types of event.

    Args:
        tables: by capability, templates by type of event.

    Raises:
        ValueError: if a table, a list or a template is none; the message names the setting.
    """

    def __init__(self, tables: Mapping[Capability, object]) -> None:
        self._by_type: dict[str, list[tuple[Capability, _Template]]] = {}
        for capability, table in tables.items():
            for event_type, texts in _table(capability, table).items():
                made = [(capability, _read(capability, event_type, text)) for text in texts]
                self._by_type.setdefault(str(event_type), []).extend(made)
        self.event_types: list[str] = [one for one, made in self._by_type.items() if made]

    def uses(self, capability: Capability) -> bool:
        """Whether there is one of that kind."""
        return any(kind is capability for made in self._by_type.values() for kind, _ in made)

    def drop(self, event: Event, *, patterns: bool) -> Drop:
        """What an event makes untrue.

        A template that lacks a value stands for all that it could be: for the namespace before
        its first name.

        Args:
            event: of any type.
            patterns: whether a namespace can be dropped by a pattern.
        """
        drop = Drop()
        for capability, template in self._by_type.get(str(event.type), ()):
            text = template.fill(event.payload)
            if text is not None:
                drop.add(capability, text)
                continue
            drop.lacking.append(template.text)
            if patterns and template.prefix and capability is not Capability.TAGS:
                escape = literal if capability is Capability.KEYS else str
                drop.add(Capability.PATTERNS, escape(template.prefix) + "*")
            else:
                drop.everything = True
        return drop


def _table(capability: Capability, table: object) -> Mapping[str, list[str]]:
    if not isinstance(table, Mapping):
        raise ValueError(f"{capability}: a table of templates by event type is expected")  # noqa: TRY004
    for event_type, texts in table.items():
        if event_type == EventType.CACHE_INVALIDATED:
            raise ValueError(f"{capability}: {event_type} is what an invalidation publishes itself")
        if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
            raise ValueError(f"{capability}: {event_type}: a list of templates is expected")
    return table


def _read(capability: Capability, event_type: str, text: str) -> _Template:
    try:
        return _Template(text, capability)
    except ValueError as error:
        raise ValueError(
            f"{capability}: {event_type}: {text!r} is no template: {error}. Names of payload "
            "values stand in braces, 'user:{user_id}'; a brace of its own is doubled"
        ) from None


def _checked(name: str | None, spec: str | None, conversion: str | None) -> str | None:
    if name is not None and (not name.isidentifier() or spec or conversion):
        raise ValueError(f"{{{name}}} is not a name alone")
    return name


def _written(value: object) -> str | None:
    """A value as text; None if there is none that only this value has."""
    if not isinstance(value, _WRITTEN) or isinstance(value, bool):
        return None
    try:
        return format(value) or None
    except Exception:  # noqa: BLE001 - a payload's own __format__, or an int too large to write
        return None
