"""What is told of an installed plugin, in tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from busway.events import event_types
from busway.handlers import ANY, handler_name
from busway.plugins import PluginState
from busway_cli._defaults import defaults_of
from busway_cli._paths import path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from busway import EventBus
    from busway.plugins import PluginRow

__all__ = ["DEFAULT", "EVERY_TYPE", "Facts", "SettingFacts", "facts_of"]

DEFAULT: Final = "default"
"""Where a setting comes from that was not set."""

EVERY_TYPE: Final = "*"
"""What a handler of `ANY` handles."""


@dataclass(frozen=True, slots=True)
class SettingFacts:
    """One setting of a plugin.

    Attributes:
        value: as it was written, or its default; a secret is not shown.
        source: a file, a variable, an argument, or `default`.
    """

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told of one plugin: what its `PluginRow` holds, with names for the instances.

    Attributes:
        handles: the types of event that reach its handlers; `*` alone if all do.
        provides: what it brought, by kind, each by its name.
        settings: those that were set, and the defaults of the others.
    """

    name: str
    kind: str
    distribution: str
    version: str
    state: str
    reason: str
    notes: tuple[str, ...]
    handles: tuple[str, ...]
    provides: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, SettingFacts]
    seconds: float
    traceback: str = field(repr=False)

    @property
    def is_broken(self) -> bool:
        """Whether it should be active, and is not."""
        return self.state in (PluginState.FAILED, PluginState.INCOMPATIBLE, PluginState.CONFLICT)

    def after(self, reason: str, traceback: str) -> Facts:
        """The same plugin after its handlers were started.

        Args:
            reason: why they did not start; "" if they did.
            traceback: where.
        """
        if not reason:
            return self
        return replace(self, state=str(PluginState.FAILED), reason=reason, traceback=traceback)

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


def facts_of(row: PluginRow, bus: EventBus) -> Facts:
    """What is told of a plugin that was loaded onto a bus."""
    handlers = _among(bus.handlers, row.provided)
    given = {key: SettingFacts(*one) for key, one in row.settings.items()}
    defaults = {key: SettingFacts(one, DEFAULT) for key, one in defaults_of(row).items()}
    return Facts(
        name=row.name,
        kind=row.kind,
        distribution=row.distribution,
        version=row.version,
        state=str(row.state),
        reason=row.reason,
        notes=row.notes,
        handles=_handled(handlers, bus),
        provides={
            "handlers": tuple(map(handler_name, handlers)),
            "middleware": tuple(map(path_of, _among(bus.middleware, row.provided))),
            "interceptors": tuple(map(path_of, _among(bus.interceptors, row.provided))),
            "event_types": tuple(_values(row.provided)),
        },
        settings={**given, **{key: one for key, one in defaults.items() if key not in given}},
        seconds=row.seconds,
        traceback=row.traceback,
    )


def _among(registered: Iterable[object], provided: Iterable[object]) -> list[object]:
    """Which of the things that a plugin brought are registered as one kind of thing."""
    known = {id(one) for one in provided}
    return [one for one in registered if id(one) in known]


def _handled(handlers: Iterable[object], bus: EventBus) -> tuple[str, ...]:
    known = {id(one) for one in handlers}
    if any(_wants_all(one) for one in handlers):
        return (EVERY_TYPE,)
    return tuple(
        value
        for value, type_ in event_types().items()
        if any(id(one) in known for one in bus.handlers_for(type_))
    )


def _wants_all(handler: object) -> bool:
    try:
        return ANY in getattr(handler, "event_types", ())
    except Exception:  # noqa: BLE001 - the bus has read it; a second time may be too often
        return False


def _values(provided: Iterable[object]) -> list[str]:
    enums = [one for one in provided if isinstance(one, type) and issubclass(one, StrEnum)]
    return [member.value for enum in enums for member in enum]
