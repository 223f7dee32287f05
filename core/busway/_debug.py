"""Debug mode: which handler changes the payload that others see?"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING

from busway.handlers import handler_name

if TYPE_CHECKING:
    from busway.events import Event, Payload
    from busway.handlers import Call, Handler

__all__ = ["MutationFinder"]

_log = logging.getLogger("busway.debug")


class MutationFinder:
    """Gives each handler a copy of the payload of its own, and names the one that changes it.

    A payload that cannot be copied is passed over, which is logged once a bus. A value that does
    not equal its own copy, of a class without `__eq__` say, is copied but not compared.
    """

    def __init__(self) -> None:
        self._passed_over = False

    def watch(self, handler: Handler, call: Call) -> Call:
        """The call of a handler, with a copy to work on."""

        async def watched(event: Event) -> None:
            copies = self._copy_twice(event)
            if copies is None:
                await call(event)
                return
            given, kept = copies
            compared = [key for key in kept if _equal(given[key], kept[key])]
            try:
                await call(event.replace(payload=given))
            finally:
                if _changed(given, kept, compared):
                    _log.error(
                        "debug: handler %s changed the payload of %s %s; events are immutable",
                        handler_name(handler),
                        event.type,
                        event.id,
                    )

        return watched

    def _copy_twice(self, event: Event) -> tuple[Payload, Payload] | None:
        try:
            return copy.deepcopy(event.payload), copy.deepcopy(event.payload)
        except Exception:  # noqa: BLE001 - a lock, a socket, a stranger's __deepcopy__
            if not self._passed_over:
                self._passed_over = True
                _log.warning(
                    "debug: the payload of %s %s cannot be copied, so no handler is checked on "
                    "it, nor on others like it",
                    event.type,
                    event.id,
                )
            return None


def _changed(given: Payload, kept: Payload, compared: list[str]) -> bool:
    if set(given) != set(kept):
        return True
    return not all(_equal(given[key], kept[key]) for key in compared)


def _equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - a stranger's __eq__
        return False
