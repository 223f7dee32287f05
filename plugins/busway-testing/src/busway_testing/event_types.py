"""What every enum of event types promises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, Final, cast

from busway.events import Event
from busway.exceptions import EventError
from busway_testing._running import fail
from busway_testing.conformance import Conformance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from enum import StrEnum

    from busway_testing._installed import Installed

__all__ = ["EventTypesConformance"]


_REMEDY: Final = "Make it a plain member of the enum, with a str for its value"


class EventTypesConformance(Conformance):
    """The tests of a plugin that brings event types, by `busway.event_types` or by hooks."""

    group: ClassVar[str] = "busway.event_types"

    def test_values_are_namespaced(self, installed: Installed) -> None:
        """Like `order.shipped`: so two plugins hardly ever claim one value."""
        for member in _members(installed):
            if not all(member.value.split(".")) or "." not in member.value:
                fail(
                    f"{member!r} has no namespace: name it after what it is about, as in "
                    "'order.shipped'"
                )

    def test_values_are_claimed_by_no_other(self, installed: Installed) -> None:
        """Neither by busway's own types, nor by others that are registered."""
        told = installed.rivals()
        if told:
            fail(f"{'; '.join(told)}: give it a namespace of its own")

    def test_values_survive_json(self, installed: Installed) -> None:
        """An event of each type is read again as it was written."""
        for member in _members(installed):
            try:
                read = Event.from_dict(json.loads(json.dumps(Event(member).to_dict()))).type
            except EventError as error:
                fail(f"an event of {member!r} is not read again: {error}. {_REMEDY}", error)
            if read is not member:
                fail(f"an event of {member!r} is read again as one of {read!r}. {_REMEDY}")


def _members(installed: Installed) -> Iterator[StrEnum]:
    installed.loaded()
    if not installed.brings_hooks:
        yield from cast("type[StrEnum]", installed.thing)
        return
    brought = [enum for told in installed.ask("busway_event_types") for enum in _enums(told)]
    if not brought:
        fail(f"{installed.plugin} brings no event types: test it with the class for what it brings")
    for enum in brought:
        yield from enum


def _enums(told: object) -> Iterable[type[StrEnum]]:
    return cast("Iterable[type[StrEnum]]", told)
