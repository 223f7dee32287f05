"""Contenders without any library: what one would write oneself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from tests.benchmarks.contenders import Handler, Publish, contender
from tests.benchmarks.given import EVENT, EVENTS, MIDDLEWARE

__all__ = ["awaits", "awaits_many", "calls", "gather", "gather_many", "middleware_loop"]


@contender("bare await")
async def awaits(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    async def publish() -> None:
        for handle in handlers:
            await handle(EVENT)

    yield publish


@contender("bare gather")
async def gather(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    async def publish() -> None:
        await asyncio.gather(*[handle(EVENT) for handle in handlers])

    yield publish


@contender("bare calls", awaited=False)
async def calls(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    def publish() -> None:
        for handle in handlers:
            handle(EVENT)

    yield publish


@contender("bare await of all")
async def awaits_many(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    async def publish() -> None:
        for event in EVENTS:
            for handle in handlers:
                await handle(event)

    yield publish


@contender("bare gather of all")
async def gather_many(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    async def publish() -> None:
        await asyncio.gather(*[handle(event) for event in EVENTS for handle in handlers])

    yield publish


@contender("bare loop", less=awaits)
async def middleware_loop(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    async def publish() -> None:
        event = EVENT
        for middleware in MIDDLEWARE:
            event = middleware(event)
        for handle in handlers:
            await handle(event)

    yield publish
