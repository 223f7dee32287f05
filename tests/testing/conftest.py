"""The fixtures under test, and handlers made of functions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from busway import ANY
from busway_testing import bus, captured_events, mute, settle, shared_bus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from busway import EventBus

__all__ = ["bus", "captured_events", "mute", "settle", "shared_bus"]


class FunctionBacked:
    """A handler whose `handle` is a function, async or not."""

    def __init__(self, function: Callable[..., object], types: tuple[Any, ...]) -> None:
        self.event_types = list(types or (ANY,))
        self.handle = function


@pytest.fixture
def hear(bus: EventBus) -> Callable[..., FunctionBacked]:
    """`hear(function, *types, on=bus)`: subscribe a function; all types by default."""

    def subscribe(
        function: Callable[..., object], *types: Any, on: EventBus = bus
    ) -> FunctionBacked:
        handler = FunctionBacked(function, types)
        on.subscribe(handler)
        return handler

    return subscribe


@pytest.fixture
def soon() -> Callable[[Awaitable[Any]], Awaitable[Any]]:
    """`await soon(x)`: await it here, and fail instead of hanging if it does not come."""

    async def wait(awaitable: Awaitable[Any]) -> Any:
        async with asyncio.timeout(10):
            return await awaitable

    return wait
