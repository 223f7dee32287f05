"""Contenders from the libraries nearest to Busway, and pluggy; see `peers`."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from tests.benchmarks.contenders import Handler, Publish, contender
from tests.benchmarks.given import EVENT, PAYLOAD

__all__ = ["abxbus", "infinity_bus", "pluggy", "pyventus"]


@contender("pyventus", needs="pyventus", module="pyventus.events", waits="wait_for_tasks()")
async def pyventus(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    from pyventus.core.processing.asyncio import AsyncIOProcessingService
    from pyventus.events import EventEmitter, EventLinker

    class Linker(EventLinker):  # what is linked is kept by the class
        pass

    for handle in handlers:
        Linker.subscribe("login", event_callback=handle)
    service = AsyncIOProcessingService()
    emitter = EventEmitter(service, Linker)

    async def publish() -> None:
        emitter.emit("login", EVENT)
        await service.wait_for_tasks()

    yield publish


def _abxbus_failures(event: Any) -> Iterable[object]:
    return [one.error for one in event.event_results.values() if one.error is not None]


@contender(
    "abxbus",
    needs="abxbus",
    failures=_abxbus_failures,
    remark="a new event each time, as an event is published once; parallel, no history",
)
async def abxbus(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    from abxbus import BaseEvent, EventBus

    class Login(BaseEvent):
        user_id: int

    bus = EventBus(
        # by default one handler after another; for a single one that is the faster way
        event_handler_concurrency="parallel" if len(handlers) > 1 else "serial",
        max_history_size=0,
        warn_on_duplicate_handler_names=False,
    )
    for handle in handlers:
        bus.on(Login, handle)

    async def publish() -> object:
        return await bus.emit(Login(**PAYLOAD))

    yield publish
    await bus.destroy()


@contender(
    "infinity-bus",
    needs="infinity-bus",
    module="infinity_bus",
    waits="polling",
    remark="a new event each time, made inside; nothing to await: its count of tasks is polled",
)
async def infinity_bus(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    import infinity_bus as library
    from pydantic import BaseModel

    class Payload(BaseModel):
        user_id: int

    class Login(library.EventDeclaration):
        name = "login"
        payload_type = Payload

    class Subscriber(library.EventHandler):
        def __init__(self, handle: Handler) -> None:
            super().__init__([Login.name])
            self.function = handle

        async def handle(self, payload: object, bus_proxy: object, raw_event: object) -> None:
            await self.function(raw_event)

    events, registry = library.EventRegistry(), library.EventHandlerRegistry()
    events.register(Login)
    for handle in handlers:
        await registry.register(Subscriber(handle))
    queue = library.InMemoryEventQueue()
    async with library.EventBus(events, registry, queue=queue) as bus:
        proxy = bus.proxy("benchmark")

        async def publish() -> None:
            await proxy.publish(Login.name, PAYLOAD)
            await queue.join()
            while bus.active_task_count:
                await sleep(0)

        yield publish


@contender("pluggy", needs="pluggy", awaited=False)
async def pluggy(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    from pluggy import HookimplMarker, HookspecMarker, PluginManager

    class Specification:
        @HookspecMarker("benchmark")
        def login(self, event: object) -> None:
            pass

    manager = PluginManager("benchmark")
    manager.add_hookspecs(Specification)
    implement = HookimplMarker("benchmark")
    for handle in handlers:
        manager.register(SimpleNamespace(login=implement(handle)))
    yield partial(manager.hook.login, event=EVENT)
