"""What the tests of the middleware share: a bus, and a handler that keeps what it gets."""

from __future__ import annotations

import pytest

from busway import ANY, EventBus, EventHandler


class Heard(EventHandler):
    """Keeps what it gets; with `react`, does something about it first."""

    def __init__(self, *types, name=None, react=None):
        self.event_types = list(types or (ANY,))
        self.events = []
        self._react = react
        if name is not None:
            self.name = name

    event_types = ()

    async def handle(self, event):
        self.events.append(event)
        if self._react is not None:
            await self._react(event)


@pytest.fixture
def bus():
    """A bus of the test's own."""
    return EventBus()


@pytest.fixture
def hear(bus):
    """`hear(*types, name=None, react=None)`: a handler that is subscribed."""

    def subscribe(*types, **options):
        handler = Heard(*types, **options)
        bus.subscribe(handler)
        return handler

    return subscribe
