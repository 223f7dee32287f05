"""What the tests of resilience share: handlers made of functions, and a bus."""

from __future__ import annotations

import asyncio
import logging

import pytest

from busway import ANY, EventBus, EventHandler


@pytest.fixture
def bus():
    """A bus of the test's own."""
    return EventBus()


@pytest.fixture
def make():
    """`make(function, *types, name="worker", **attributes)`: a handler, its class with those."""

    def made(function, *types, name="worker", **attributes):
        called = {"event_types": list(types or (ANY,)), "name": name}
        namespace = {**called, **attributes, "handle": staticmethod(function)}
        return type("Made", (EventHandler,), namespace)()

    return made


@pytest.fixture
def hear(bus, make):
    """As `make`, and subscribed."""

    def subscribe(function, *types, **options):
        handler = make(function, *types, **options)
        bus.subscribe(handler)
        return handler

    return subscribe


class Gate:
    """A handler's function that is entered, and waits until it is opened.

    Attributes:
        running: how many wait in it.
        most: how many did at once, at most.
        entered: how many have entered.
    """

    def __init__(self):
        self.running = self.most = self.entered = 0
        self._opened = asyncio.Event()
        self._changed = asyncio.Event()

    async def __call__(self, event):
        self.entered += 1
        self.running += 1
        self.most = max(self.most, self.running)
        self._changed.set()
        try:
            await self._opened.wait()
        finally:
            self.running -= 1

    def open(self):
        self._opened.set()

    async def until(self, entered):
        """Wait until so many have entered."""
        async with asyncio.timeout(10):
            while self.entered < entered:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def gate():
    """A gate that is closed."""
    return Gate()


class Fails:
    """A handler's function that raises the errors it is given, one a call, and then returns."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self, event):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture
def fails():
    """`fails(*errors)`: such a function."""
    return Fails


@pytest.fixture
def unlogged():
    """Nothing is logged, and so no record holds a traceback, and that its frames."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def outcome():
    """`outcome(result)`: status and error of the only handler."""

    def of(result):
        (one,) = result.outcomes
        return one.status, one.exception

    return of
