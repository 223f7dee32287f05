"""A handler's own time to stop, and what it publishes meanwhile."""

from __future__ import annotations

import asyncio
from unittest.mock import MagicMock

import pytest

from busway import ANY, BusClosedError, Event, EventBus, EventHandler


class Slow(EventHandler):
    """Its stop waits for a gate."""

    event_types = (ANY,)

    def __init__(self, stop_timeout=None):
        self.stop_timeout = stop_timeout
        self.gate, self.begun, self.ended = asyncio.Event(), asyncio.Event(), ""

    async def handle(self, event):
        pass

    async def stop(self):
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "stopped"


async def _stopping(bus, handler):
    bus.subscribe(handler)
    await bus.start()
    stopping = asyncio.create_task(bus.stop())
    await handler.begun.wait()
    return stopping


async def test_a_longer_time_of_its_own_is_kept(soon):
    """The bus's is over, the handler's is not: it stops in peace."""
    handler = Slow(stop_timeout=60)
    stopping = await _stopping(EventBus(stop_timeout=0), handler)
    handler.gate.set()
    await soon(stopping)
    assert handler.ended == "stopped"


async def test_a_shorter_time_of_its_own_is_kept(soon, logged):
    """It is cancelled when that is over, and logged."""
    handler = Slow(stop_timeout=0.01)
    await soon(await _stopping(EventBus(stop_timeout=60), handler))
    assert handler.ended == "cancelled"
    assert "0.01 s" in logged()[0].getMessage()


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "60",
        True,
        -1,
        float("nan"),
        float("inf"),
        pytest.param(10**400, id="huge"),
        MagicMock(),
    ],
)
async def test_what_is_no_time_is_no_time(soon, wrong):
    """A mock's attribute, say: the bus's time holds."""
    handler = Slow(stop_timeout=wrong)
    await soon(await _stopping(EventBus(stop_timeout=0.01), handler))
    assert handler.ended == "cancelled"


async def test_a_time_that_cannot_be_had_is_no_time(soon):
    """A property that raises: the bus's time holds."""

    class Unaskable(Slow):
        @property
        def stop_timeout(self):
            raise RuntimeError

        @stop_timeout.setter
        def stop_timeout(self, _):
            pass

    handler = Unaskable()
    await soon(await _stopping(EventBus(stop_timeout=0.01), handler))
    assert handler.ended == "cancelled"


async def test_a_cancelled_stop_has_the_bus_s_time_left(soon):
    """Who hurries does not wait for the handler's own."""
    handler = Slow(stop_timeout=3600)
    stopping = await _stopping(EventBus(stop_timeout=0.01), handler)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(stopping)
    assert handler.ended == "cancelled"


class Reporting(EventHandler):
    """Publishes as it stops."""

    event_types = ("user.created",)

    async def start(self, bus):
        self.bus = bus

    async def handle(self, event):
        pass

    async def stop(self):
        self.result = await self.bus.publish(Event("error.occurred", {"message": "not flushed"}))


async def test_what_is_published_in_stop_is_delivered(bus, hear):
    """Though the doors are closing, and to those that have stopped already, too."""
    heard = []
    before = hear(heard.append)
    reporting = Reporting()
    bus.subscribe(reporting)
    after = hear(heard.append)
    async with bus:
        pass
    assert [event.payload["message"] for event in heard] == ["not flushed"] * 2
    assert [one.handler for one in reporting.result.outcomes] == [before, after]


@pytest.mark.parametrize("how", ["publish", "publish_soon"])
async def test_who_hears_a_last_word_may_wait(bus, hear, soon, how):
    """A handler that suspends is not cancelled at once, as one is that outlives the drain."""
    heard = []

    class Speaking(Reporting):
        async def stop(self):
            said = getattr(self.bus, how)(Event("error.occurred", {"message": "not flushed"}))
            if how == "publish":
                await said

    async def hear_slowly(event):
        for _ in range(5):
            await asyncio.sleep(0)
        heard.append(event.payload["message"])

    hear(hear_slowly)
    bus.subscribe(Speaking())
    await bus.start()
    await soon(bus.stop())
    assert heard == ["not flushed"]


async def test_others_are_still_refused(bus, hear, soon):
    """A publish from elsewhere, while a handler stops, is refused as ever."""
    handler = Slow(stop_timeout=60)
    stopping = await _stopping(bus, handler)
    with pytest.raises(BusClosedError, match="closing"):
        await bus.publish(Event("user.created"))
    handler.gate.set()
    await soon(stopping)


async def test_another_bus_is_not_meant(soon):
    """The stop of a handler of one bus opens no doors of another that is closing."""
    one, other = EventBus(), EventBus()
    handler = Slow(stop_timeout=60)
    stopping = await _stopping(other, handler)
    reporting = Reporting()
    one.subscribe(reporting)
    await one.start()
    reporting.bus = other
    await soon(one.stop())
    assert not hasattr(reporting, "result")
    handler.gate.set()
    await soon(stopping)
