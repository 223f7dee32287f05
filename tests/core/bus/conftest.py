"""What the tests of the bus share: a bus, handlers made of functions, and the failures logged."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from busway import ANY, EventBus, EventHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class FunctionBacked(EventHandler):
    """A handler whose `handle` is a function, async or not."""

    event_types: Any = ()
    handle: Any = None

    def __init__(self, function: Callable[..., object], types: tuple[Any, ...]) -> None:
        self.event_types = list(types or (ANY,))
        self.handle = function


@pytest.fixture
def bus() -> EventBus:
    """A bus of the test's own."""
    return EventBus()


@pytest.fixture
def hear(bus: EventBus) -> Callable[..., FunctionBacked]:
    """`hear(function, *types, name=None, on=bus)`: subscribe a function; all types by default."""

    def subscribe(
        function: Callable[..., object],
        *types: Any,
        name: str | None = None,
        on: EventBus = bus,
    ) -> FunctionBacked:
        handler = FunctionBacked(function, types)
        if name is not None:
            handler.name = name
        on.subscribe(handler)
        return handler

    return subscribe


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """`logged()`: what was logged under `busway` so far, from warnings up."""

    def records() -> list[logging.LogRecord]:
        return [
            one
            for one in caplog.records
            if one.name.split(".")[0] == "busway" and one.levelno >= logging.WARNING
        ]

    return records


@pytest.fixture
def soon() -> Callable[[Awaitable[Any]], Awaitable[Any]]:
    """`await soon(x)`: await it here, and fail instead of hanging if it does not come."""

    async def wait(awaitable: Awaitable[Any]) -> Any:
        async with asyncio.timeout(10):
            return await awaitable

    return wait


@pytest.fixture
def turns() -> Callable[[int], Awaitable[None]]:
    """`await turns(n)`: let the loop turn n times."""

    async def turn(count: int = 1) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    return turn
