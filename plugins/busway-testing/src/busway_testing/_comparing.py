"""Has an event been changed?"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway.events import Event

__all__ = ["Kept"]


class Kept:
    """What is in an event now, for a comparison later.

    A value that does not equal its own copy, of a class without `__eq__` say, is not compared.
    A payload that cannot be copied cannot be watched: the test is skipped.
    """

    def __init__(self, event: Event) -> None:
        self._event = event
        self._kept = _copy(event)
        self._compared = {
            name: {key for key, value in values.items() if _equal(value, self._kept[name][key])}
            for name, values in _copy(event).items()
        }

    def changes(self) -> list[str]:
        """The keys of payload and metadata that are not what they were."""
        return [
            f"{name}[{key!r}]"
            for name, values in _parts(self._event).items()
            for key in {**self._kept[name], **values}
            if self._is_changed(name, key, values)
        ]

    def _is_changed(self, name: str, key: str, values: Mapping[str, object]) -> bool:
        kept = self._kept[name]
        if (key in kept) is not (key in values):
            return True
        return key in self._compared[name] and not _equal(values[key], kept[key])


def _parts(event: Event) -> dict[str, Mapping[str, object]]:
    return {"payload": event.payload, "metadata": event.metadata}


def _copy(event: Event) -> dict[str, dict[str, object]]:
    try:
        return {name: copy.deepcopy(dict(values)) for name, values in _parts(event).items()}
    except Exception as error:  # noqa: BLE001 - a lock, a socket, a stranger's __deepcopy__
        pytest.skip(f"the payload of {event.type} cannot be copied, so not be watched: {error!r}")


def _equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - a stranger's __eq__
        return False
