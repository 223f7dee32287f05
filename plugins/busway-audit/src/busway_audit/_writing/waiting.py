"""Waiting in an event loop for what another thread does, and goes on with in any case."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["carried_through"]


async def carried_through(job: Future[None]) -> None:
    """Wait for a job that goes on if whoever waits is cancelled, or its loop is closed.

    Raises:
        Exception: what the job raised.
    """
    if not job.done():
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def wake(_job: Future[None]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, done)

        job.add_done_callback(wake)
        await done
    job.result()


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
