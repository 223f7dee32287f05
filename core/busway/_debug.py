"""Debug mode: which handler changes the payload that others see?"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING

from busway.handlers import handler_name

if TYPE_CHECKING:
    from busway.events import Event, Payload
    from busway.handlers import Call, Handler

__all__ = ["check_mutation"]

_log = logging.getLogger("busway.debug")


def check_mutation(handler: Handler, call: Call) -> Call:
    """Give a handler a copy of the payload of its own, and name it in the log if it changes that.

    A payload that cannot be copied, or does not equal its copy, is passed over; that is logged
    once a handler.
    """
    passed_over = False

    async def checked(event: Event) -> None:
        nonlocal passed_over
        copies = _copy_twice(event.payload)
        if copies is None:
            if not passed_over:
                passed_over = True
                _log.warning(
                    "debug: the payload of %s %s cannot be copied and compared; %s is not checked",
                    event.type,
                    event.id,
                    handler_name(handler),
                )
            await call(event)
            return
        given, kept = copies
        try:
            await call(event.replace(payload=given))
        finally:
            if not _equal(given, kept):
                _log.error(
                    "debug: handler %s changed the payload of %s %s; events are immutable",
                    handler_name(handler),
                    event.type,
                    event.id,
                )

    return checked


def _copy_twice(payload: Payload) -> tuple[Payload, Payload] | None:
    try:
        copies = copy.deepcopy(payload), copy.deepcopy(payload)
    except Exception:  # noqa: BLE001 - a lock, a socket, a stranger's __deepcopy__
        return None
    return copies if _equal(*copies) else None


def _equal(one: Payload, other: Payload) -> bool:
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - a stranger's __eq__
        return False
