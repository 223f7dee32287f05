"""bus and shared_bus: fresh before a test, and nothing is left behind after it."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from busway import Event, EventBus, EventHandler, EventType, load_plugins, on_event

if TYPE_CHECKING:
    from collections.abc import Iterator


class Idle(EventHandler):
    """Does nothing."""

    event_types = (EventType.USER_LOGIN,)

    def handle(self, event):
        pass


@on_event("user.login")
def greet(event):
    """A function of a module that is imported, whose bus the tests have reset long ago."""


class LazyStranger:
    """An object of a module that raises whatever it is asked."""

    def __getattr__(self, name):
        raise RuntimeError("working outside of context")

    def __call__(self):
        pass


@pytest.fixture
def before() -> Iterator[EventBus]:
    """The application's shared bus, as it is before the test; it is checked after it."""
    bus = EventBus.get_instance()
    handler = Idle()
    bus.subscribe(handler)
    bus.add_middleware(lambda event: event)
    was = (bus.handlers, bus.middleware, bus.interceptors)
    yield bus
    assert EventBus.get_instance() is bus
    assert (bus.handlers, bus.middleware, bus.interceptors) == was


@pytest.fixture
def none_before() -> Iterator[None]:
    """There is no shared bus before the test; nor is there after it."""
    yield
    assert EventBus._instance is None


def test_a_private_bus(none_before, bus):
    """It is not the shared one, and as the application would make it."""
    assert bus is not EventBus.get_instance()
    assert (bus.debug, bus.handlers) == (EventBus().debug, ())
    EventBus.reset()


@pytest.mark.parametrize("bus", [{"debug": True, "max_depth": 3}], indirect=True)
def test_options_of_a_private_bus(bus):
    """They are those of EventBus."""
    assert bus.debug


@pytest.mark.parametrize("shared_bus", [{"debug": True}], indirect=True)
def test_options_of_the_shared_bus(shared_bus):
    """So are its."""
    assert EventBus.get_instance().debug


def test_the_shared_bus(before, shared_bus):
    """It is a new one, with nothing of the one before but functions under `on_event`."""
    assert EventBus.get_instance() is shared_bus
    assert shared_bus is not before
    assert not any(isinstance(one, Idle) for one in shared_bus.handlers)
    assert shared_bus.middleware == ()


def test_what_the_test_does_to_the_shared_bus(before, shared_bus):
    """None of it is left after the test."""
    shared_bus.subscribe(Idle())
    shared_bus.add_middleware(lambda event: None)
    load_plugins(allow=[])
    EventBus.reset()
    EventBus.set_instance(EventBus())


def test_there_was_no_shared_bus(none_before, shared_bus):
    """There is none afterwards."""
    assert EventBus.get_instance() is shared_bus


@pytest.fixture
def imported() -> Iterator[ModuleType]:
    """A module with functions under `on_event`, imported before the test, and a stranger."""
    module = ModuleType("shop_of_this_test")
    code = """
from busway import on_event
@on_event("user.created")
def second(event): ...
class Callable:
    def __call__(self, event): ...
third = on_event("user.created")(Callable())
"""
    exec(code, vars(module))
    module.stranger = LazyStranger()
    sys.modules[module.__name__] = module
    EventBus.reset()  # as other tests may have done
    yield module
    del sys.modules[module.__name__]


def test_functions_under_on_event(imported, shared_bus):
    """Those of modules that are imported are there, in order, each once."""
    handlers = [one.handler for one in (greet, imported.second, imported.third)]
    assert [one for one in shared_bus.handlers if one in handlers] == handlers


@pytest.fixture
def another_order(imported):
    """The functions on the application's bus, the other way round."""
    handlers = (imported.second.handler, greet.handler)
    for one in handlers:
        EventBus.get_instance().subscribe(one)
    return handlers


def test_functions_that_were_subscribed_in_another_order(another_order, shared_bus):
    """They keep it."""
    assert tuple(one for one in shared_bus.handlers if one in another_order) == another_order


def test_a_function_of_the_test(shared_bus):
    """`on_event` in a test subscribes to the bus of the test."""

    @on_event("user.login")
    def here(event):
        pass

    assert here.handler in shared_bus.handlers


@pytest.mark.parametrize("name", ["bus", "shared_bus"])
def test_it_is_closed_afterwards(kept, name, request):
    """What a test leaves running cannot publish in the next."""
    kept.append(request.getfixturevalue(name))


def test_a_shared_bus_that_the_test_made(kept, shared_bus):
    """It is reset."""
    EventBus.reset()
    made = EventBus.get_instance()
    made.subscribe(Idle())
    made.close()
    kept.append(made)


@pytest.fixture
def kept() -> Iterator[list[EventBus]]:
    """Buses that a test leaves behind: each is closed, and the shared one is empty."""
    buses: list[EventBus] = []
    yield buses
    for bus in buses:
        assert bus.handlers == ()
        with pytest.raises(Exception, match="closed"):
            asyncio.run(bus.publish(Event("user.login")))


@pytest.fixture
def warned() -> Iterator[None]:
    """The fixtures after this one warn when they end."""
    with pytest.warns(RuntimeWarning, match="with handlers not stopped: .*Idle"):
        yield


@pytest.mark.parametrize("name", ["bus", "shared_bus"])
async def test_handlers_that_are_not_stopped(warned, name, request):
    """The test is told by a warning."""
    bus = request.getfixturevalue(name)
    bus.subscribe(Idle())
    await bus.start()


@pytest.fixture
async def factory() -> object:
    """The loop's own task factory before the test; it is there again after it."""

    def make(loop, coroutine, **options):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    made: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_task_factory(make)
    yield made
    assert loop.get_task_factory() is make
    loop.set_task_factory(None)


async def test_the_loop_s_task_factory(factory, bus, hear, settle):
    """It makes the tasks of handlers as ever, and is the loop's again afterwards."""

    async def work():
        await asyncio.sleep(0)

    async def handle(event):
        handle.task = asyncio.create_task(work())

    hear(handle)
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)
    assert handle.task.done()
    assert handle.task.get_coro() in factory


async def test_a_task_factory_of_the_test(bus, hear, settle):
    """One that is set while the test runs is kept, and the tasks are followed all the same."""
    made = []

    def make(loop, coroutine, **options):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def handle(event):
        handle.task = asyncio.create_task(asyncio.sleep(0))

    hear(handle)
    loop, factories = asyncio.get_running_loop(), []
    for turn in range(4):
        event = Event("user.login")
        await bus.publish(event)
        await settle(event)
        assert handle.task.done()
        factories.append(loop.get_task_factory())
        if turn == 1:
            loop.set_task_factory(make)
    assert factories[0] is factories[1]
    assert factories[2] is factories[3]  # ours around the test's, and no other around that
    assert len(made) == 2


def _start_eagerly(loop, coroutine, **options):
    """As asyncio's own, which does not take all that uvloop gives it on 3.13.0."""
    return asyncio.Task(coroutine, loop=loop, **{**options, "eager_start": True})


async def test_tasks_that_end_at_once(bus, hear, settle):
    """And those that do not; eager ones, where there are any."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(_start_eagerly)
    ended = []

    async def work(turns):
        for _ in range(turns):
            await asyncio.sleep(0)
        bus.publish_soon(Event("user.logout", {"turns": turns}))

    async def handle(event):
        handle.tasks = [asyncio.create_task(work(turns)) for turns in (0, 3)]

    hear(handle, "user.login")
    hear(lambda event: ended.append(event.payload["turns"]), "user.logout")
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)
    assert ended == [0, 3]
    loop.set_task_factory(None)
