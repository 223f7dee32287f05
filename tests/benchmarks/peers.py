"""Contenders from libraries of signals and emitters, each used as documented, at its fastest.

Imports stand inside: a peer that is not there must not keep the others from being measured.
Strong references, caches switched on and histories switched off are to the peers' advantage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any

from tests.benchmarks.contenders import Handler, Publish, contender
from tests.benchmarks.given import EVENT, EVENTS

__all__ = [
    "aiosignal",
    "blinker",
    "blinker_each",
    "blinker_send",
    "blinker_sender",
    "django",
    "django_send",
    "pyee",
    "pyee_sync",
    "pymitter",
    "pymitter_sync",
]


class _Sender:
    """A sender of signals, of which there can be a weak reference."""


def _blinker_signal(handlers: Sequence[Handler]) -> Any:
    from blinker import Signal

    signal = Signal()
    for handle in handlers:
        signal.connect(handle, weak=False)
    return signal


@contender("blinker send_async", needs="blinker")
async def blinker(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    yield partial(_blinker_signal(handlers).send_async, EVENT)


@contender("blinker send", needs="blinker", awaited=False)
async def blinker_send(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    yield partial(_blinker_signal(handlers).send, EVENT)


@contender(
    "blinker, another sender",
    needs="blinker",
    remark="one signal, whose senders are what elsewhere are types; a handler wants another one",
)
async def blinker_sender(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    from blinker import Signal

    async def unwanted(sender: object) -> None:
        pass

    signal = Signal()
    signal.connect(unwanted, sender=_Sender, weak=False)
    for handle in handlers:
        signal.connect(handle, sender=EVENT, weak=False)
    yield partial(signal.send_async, EVENT)


@contender("blinker send_async of each", needs="blinker")
async def blinker_each(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    signal = _blinker_signal(handlers)

    async def publish() -> None:
        for event in EVENTS:
            await signal.send_async(event)

    yield publish


@contender(
    "pyee",
    needs="pyee",
    module="pyee.asyncio",
    waits="wait_for_complete()",
    remark="failures are `error` events, and the loop's when nobody wants those",
)
async def pyee(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    from pyee.asyncio import AsyncIOEventEmitter

    emitter = AsyncIOEventEmitter()
    for handle in handlers:
        emitter.add_listener("login", handle)

    async def publish() -> None:
        emitter.emit("login", EVENT)
        await emitter.wait_for_complete()

    yield publish


@contender("pyee emit", needs="pyee", awaited=False)
async def pyee_sync(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    from pyee import EventEmitter

    emitter = EventEmitter()
    for handle in handlers:
        emitter.add_listener("login", handle)
    yield partial(emitter.emit, "login", EVENT)


def _django_signal(handlers: Sequence[Handler]) -> Any:
    from django.dispatch import Signal

    signal = Signal(use_caching=True)
    for handle in handlers:
        signal.connect(handle, weak=False)
    return signal


def _django_failures(responses: Iterable[tuple[Handler, object]]) -> Iterable[object]:
    return [response for _, response in responses if isinstance(response, Exception)]


_DJANGO = {"needs": "django", "module": "django.dispatch", "failures": _django_failures}


@contender("Django asend_robust", **_DJANGO)
async def django(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    yield partial(_django_signal(handlers).asend_robust, _Sender, event=EVENT)


@contender("Django send_robust", awaited=False, **_DJANGO)
async def django_send(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    yield partial(_django_signal(handlers).send_robust, _Sender, event=EVENT)


@contender("aiosignal", needs="aiosignal")
async def aiosignal(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    from aiosignal import Signal

    signal = Signal(None)
    signal.extend(handlers)
    signal.freeze()
    yield partial(signal.send, EVENT)


def _pymitter_emitter(handlers: Sequence[Handler]) -> Any:
    from pymitter import EventEmitter

    emitter = EventEmitter()
    for handle in handlers:
        emitter.on("login", handle)
    return emitter


@contender("pymitter emit_async", needs="pymitter")
async def pymitter(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    yield partial(_pymitter_emitter(handlers).emit_async, "login", EVENT)


@contender("pymitter emit", needs="pymitter", awaited=False)
async def pymitter_sync(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    yield partial(_pymitter_emitter(handlers).emit, "login", EVENT)
