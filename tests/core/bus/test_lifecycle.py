"""Lifecycle: handlers are started, and those that fail are left out; start is idempotent."""

from __future__ import annotations

import asyncio

import pytest

from busway import ANY, BuswayError, Event, EventBus, EventHandler


class Staged(EventHandler):
    """Notes its stages in a list it shares with others."""

    event_types = (ANY,)

    def __init__(self, notes, name="staged"):
        self.notes = notes
        self.name = name

    async def start(self, bus):
        self.notes.append(f"{self.name} start")

    async def handle(self, event):
        self.notes.append(f"{self.name} handle")

    async def stop(self):
        self.notes.append(f"{self.name} stop")


class Refuses(Staged):
    """Its start raises what it is given."""

    def __init__(self, notes, error, name="refuses"):
        super().__init__(notes, name)
        self.error = error

    async def start(self, bus):
        await super().start(bus)
        raise self.error


class Hangs(Staged):
    """Its start never ends."""

    async def start(self, bus):
        await super().start(bus)
        await asyncio.Event().wait()


async def test_stages(bus):
    """Handlers are started, handle, and are stopped in reverse order."""
    notes = []
    bus.subscribe(Staged(notes, "a"))
    bus.subscribe(Staged(notes, "b"))
    async with bus:
        await bus.publish(Event("user.login"))
    assert notes == ["a start", "b start", "a handle", "b handle", "b stop", "a stop"]


async def test_enter_returns_the_bus(bus):
    """`async with bus as same` gives the bus."""
    async with bus as same:
        assert same is bus


async def test_start_is_given_the_bus(bus):
    """`start` is given the bus it runs on."""
    given = []

    class Handler(Staged):
        async def start(self, bus):
            given.append(bus)

    bus.subscribe(Handler([]))
    async with bus:
        assert given == [bus]


async def test_start_and_stop_by_hand(bus):
    """`start` and `stop` do what entering and leaving do."""
    notes = []
    bus.subscribe(Staged(notes))
    await bus.start()
    await bus.stop()
    assert notes == ["staged start", "staged stop"]


async def test_handlers_without_start_and_stop(bus):
    """Handlers that have neither are neither started nor stopped."""
    handled = []

    class Plain:
        event_types = (ANY,)

        def handle(self, event):
            handled.append(event)

    bus.subscribe(Plain())
    async with bus:
        await bus.publish(Event("user.login"))
    assert len(handled) == 1


async def test_sync_start_and_stop(bus):
    """Plain functions as `start` and `stop` are called, too."""
    notes = []

    class Sync:
        event_types = (ANY,)

        def start(self, bus):
            notes.append("start")

        def handle(self, event):
            pass

        def stop(self):
            notes.append("stop")

    bus.subscribe(Sync())
    async with bus:
        pass
    assert notes == ["start", "stop"]


async def test_start_is_idempotent(bus):
    """`start` on a running bus starts nothing twice."""
    notes = []
    bus.subscribe(Staged(notes))
    async with bus:
        await bus.start()
        await bus.start()
    assert notes == ["staged start", "staged stop"]


async def test_two_starts_at_once(bus):
    """Two `start`s at once start each handler once."""
    notes = []

    class Slow(Staged):
        async def start(self, bus):
            await asyncio.sleep(0)
            await super().start(bus)

    bus.subscribe(Slow(notes, "a"))
    bus.subscribe(Slow(notes, "b"))
    await asyncio.gather(bus.start(), bus.start())
    assert notes == ["a start", "b start"]
    await bus.stop()


async def test_subscribed_to_a_running_bus(bus):
    """A handler subscribed to a running bus hears at once, and is started by the next `start`."""
    notes = []
    async with bus:
        bus.subscribe(Staged(notes))
        await bus.publish(Event("user.login"))
        assert notes == ["staged handle"]
        await bus.start()
    assert notes == ["staged handle", "staged start", "staged stop"]


async def test_never_started_is_never_stopped(bus):
    """A handler subscribed to a running bus and not started is not stopped."""
    notes = []
    async with bus:
        bus.subscribe(Staged(notes))
    assert notes == []


async def test_unsubscribed_while_running_is_stopped(bus):
    """What was started is stopped, though it was unsubscribed meanwhile."""
    notes = []
    handler = Staged(notes)
    bus.subscribe(handler)
    async with bus:
        bus.unsubscribe(handler)
    assert notes == ["staged start", "staged stop"]


@pytest.mark.parametrize(
    "error", [ValueError("no port"), asyncio.CancelledError(), BaseException("no port")], ids=repr
)
async def test_start_that_raises(bus, logged, error):
    """A handler whose `start` raises is unsubscribed and reported; the rest run."""
    notes = []
    bus.subscribe(Staged(notes, "a"))
    bus.subscribe(Refuses(notes, error))
    bus.subscribe(Staged(notes, "b"))
    async with bus:
        assert [one.name for one in bus.handlers] == ["a", "b"]
        await bus.publish(Event("user.login"))
        assert type(error).__name__ in bus.health()["refuses"]["error"]
    assert ["refuses" in record.getMessage() for record in logged()] == [True]
    assert notes == [
        *["a start", "refuses start", "b start"],
        *["a handle", "b handle", "b stop", "a stop"],
    ]


async def test_start_that_hangs(logged, soon):
    """A handler whose `start` exceeds `start_timeout` is cancelled, unsubscribed and reported."""
    bus, notes = EventBus(start_timeout=0.01), []
    bus.subscribe(Hangs(notes, "hangs"))
    bus.subscribe(Staged(notes, "b"))
    async with asyncio.timeout(10), bus:
        assert [one.name for one in bus.handlers] == ["b"]
        assert "start" in bus.health()["hangs"]["error"]
    assert ["hangs" in record.getMessage() for record in logged()] == [True]
    assert notes == ["hangs start", "b start", "b stop"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_start_that_cannot_be_asked_for(bus):
    """A handler of which even asking for `start` raises is left out; the rest run."""
    notes = []

    class Odd(Staged):
        @property
        def start(self):
            raise RuntimeError("no start")

    bus.subscribe(Odd(notes, "odd"))
    bus.subscribe(Staged(notes, "b"))
    async with bus:
        assert [one.name for one in bus.handlers] == ["b"]
    assert notes == ["b start", "b stop"]


async def test_two_of_one_name_that_refuse(bus):
    """Two handlers of one name that do not start are both reported."""
    for _ in range(2):
        bus.subscribe(Refuses([], ValueError("no port"), name="twin"))
    async with bus:
        assert list(bus.health()) == ["twin", "twin#2"]


async def test_refused_and_started_later(bus):
    """A handler that is well the second time is no longer reported as refused."""
    notes = []
    handler = Refuses(notes, ValueError("not yet"), name="late")
    bus.subscribe(handler)
    async with bus:
        handler.start = lambda bus: notes.append("late start")
        bus.subscribe(handler)
        await bus.start()
        assert bus.health() == {"late": {}}


async def test_start_that_subscribes_others(bus):
    """A handler may subscribe another in its `start`; the next `start` starts that one."""
    notes = []

    class Brings(Staged):
        async def start(self, bus):
            await super().start(bus)
            bus.subscribe(Staged(notes, "brought"))

    bus.subscribe(Brings(notes, "brings"))
    async with bus:
        assert len(bus.handlers) == 2
        await bus.start()
    assert notes == ["brings start", "brought start", "brought stop", "brings stop"]


async def test_start_that_publishes(bus):
    """A handler may publish in its `start`."""
    notes = []

    class Publishes(Staged):
        async def start(self, bus):
            await bus.publish(Event("user.login"))

    bus.subscribe(Publishes(notes))
    async with bus:
        assert notes == ["staged handle"]


async def test_entering_that_is_cancelled(bus, soon):
    """If entering is cancelled, what was started is stopped, and the bus is closed."""
    notes = []
    bus.subscribe(Staged(notes, "a"))
    bus.subscribe(Hangs(notes, "hangs"))

    async def enter():
        async with bus:
            notes.append("entered")

    task = asyncio.create_task(enter())
    while "hangs start" not in notes:
        await asyncio.sleep(0)
    task.cancel()
    await soon(asyncio.wait([task]))
    assert task.cancelled()
    assert notes == ["a start", "hangs start", "a stop"]


async def test_entering_a_running_bus(bus):
    """A running bus may not be entered again; that it runs is not disturbed."""
    notes = []
    bus.subscribe(Staged(notes))
    async with bus:
        with pytest.raises(BuswayError, match="running"):
            async with bus:
                notes.append("entered twice")
        await bus.publish(Event("user.login"))
    assert notes == ["staged start", "staged handle", "staged stop"]


async def test_entering_a_closed_bus_again(bus):
    """A closed bus may be entered again: handlers are started anew, and hear."""
    notes = []
    bus.subscribe(Staged(notes))
    for _ in range(2):
        async with bus:
            await bus.publish(Event("user.login"))
    assert notes == ["staged start", "staged handle", "staged stop"] * 2


async def test_entering_again_on_another_loop(bus):
    """A closed bus may be entered on another loop."""
    seen = []

    class Loops:
        event_types = (ANY,)

        def handle(self, event):
            seen.append(asyncio.get_running_loop())

    async def enter():
        async with bus:
            await bus.publish(Event("user.login"))

    bus.subscribe(Loops())
    await asyncio.to_thread(asyncio.run, enter())
    await enter()
    assert seen[0] is not seen[1]


async def test_exception_in_the_block(bus):
    """An exception in the block passes; the bus is stopped and closed all the same."""
    notes = []
    bus.subscribe(Staged(notes))
    with pytest.raises(ZeroDivisionError):
        async with bus:
            1 / 0  # noqa: B018 - it raises
    assert notes == ["staged start", "staged stop"]


async def test_close_warns_of_handlers_not_stopped(bus):
    """`close` on a started bus warns with the names of the handlers not stopped."""
    bus.subscribe(Staged([], "one"))
    bus.subscribe(Staged([], "other"))
    await bus.start()
    with pytest.warns(RuntimeWarning, match="the bus was closed with .*: one, other$") as caught:
        bus.close()
    assert [one.filename for one in caught] == [__file__]


async def test_close_forgets_what_was_started(bus):
    """A handler that was not stopped before `close` is started again with the bus."""
    notes = []
    bus.subscribe(Staged(notes))
    await bus.start()
    with pytest.warns(RuntimeWarning):
        bus.close()
    async with bus:
        assert notes == ["staged start"] * 2


async def test_close_closes_where_warnings_are_errors(bus):
    """`close` has closed the bus when its warning, turned into an error, is raised."""
    bus.subscribe(Staged([], "forgotten"))
    await bus.__aenter__()
    with pytest.raises(RuntimeWarning):  # the tests' filter makes it an error
        bus.close()
    async with bus:
        assert (await bus.publish(Event("user.login"))).ok


async def test_stop_inside_a_handler(bus, hear, soon):
    """`stop` inside a handler raises: it would wait for itself."""
    hear(lambda _: bus.stop())
    async with bus:
        result = await soon(bus.publish(Event("user.login")))
        assert [type(one) for one in result.errors] == [BuswayError]
        assert str(result.errors[0]).startswith("stop() inside a handler")
        assert (await bus.publish_many([])) == []
