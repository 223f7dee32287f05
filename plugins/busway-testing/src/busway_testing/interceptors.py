"""What every interceptor promises."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import pytest

from busway._names import name_of
from busway.events import Event, EventType
from busway.exceptions import SkipHandler
from busway.handlers import ANY, EventHandler
from busway_testing._cancelling import answer_to_cancellation
from busway_testing._running import fail, run
from busway_testing.conformance import Conformance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from busway.middleware import Interceptor
    from busway_testing._installed import Installed

__all__ = ["InterceptorConformance"]


class InterceptorConformance(Conformance):
    """The tests of a plugin that brings an interceptor, by `busway.interceptors` or by hooks.

    It is put around a handler of the kit's own, which gets `event`, or a `user.created` with an
    empty payload. What a handler returns is of no interest to a bus and need not be passed on.
    """

    group: ClassVar[str] = "busway.interceptors"

    def test_returns_an_async_call(self, installed: Installed) -> None:
        """Given a handler and the call that runs it."""
        for interceptor in _interceptors(installed):
            made: object = interceptor(_Handler(), _Handler().handle)
            if not _is_async(made, _event(installed)):
                fail(
                    f"{name_of(interceptor)} returned {made!r}: it is to return an async callable "
                    "of the event, or call_next as it is"
                )

    def test_awaits_the_handler(self, installed: Installed) -> None:
        """When its call returns, the handler has handled the event, and returned."""
        for interceptor in _interceptors(installed):
            handler, event = _Handler(), _event(installed)
            error = _error_of(interceptor, handler, event)
            if isinstance(error, SkipHandler):
                fail(f"{name_of(interceptor)} skips: give this class an `event` that it lets pass")
            if error is not None:
                fail(f"{name_of(interceptor)} raised though the handler returned", error)
            if handler.handled != [event.id]:
                fail(
                    f"{name_of(interceptor)} returned, and the handler had handled "
                    f"{len(handler.handled)} times the event that was to be handled once: write "
                    "`await call_next(event)`"
                )

    def test_lets_failures_through(self, installed: Installed) -> None:
        """What the handler raises is its outcome; nobody else tells the publisher."""
        for interceptor in _interceptors(installed):
            handler = _Handler(fails=True)
            error = _error_of(interceptor, handler, _event(installed))
            if handler.failed and not _is_from(error, _HandlerFailed):
                fail(
                    f"the handler inside {name_of(interceptor)} raised, and the bus would see "
                    f"{error!r}: let the exception pass, or raise another one from it"
                )

    def test_lets_cancellation_through(self, installed: Installed) -> None:
        """Wherever it waits, or the handler does."""
        for interceptor in _interceptors(installed):
            attempt = partial(_calling, interceptor, installed)
            told = asyncio.run(answer_to_cancellation(attempt))
            if told is not None:
                fail(f"{name_of(interceptor)}: {told}")


class _HandlerFailed(Exception):  # noqa: N818 - it is told what has happened
    """Raised by the handler inside."""


class _Handler(EventHandler):
    """What is wrapped; it waits a moment.

    Attributes:
        handled: the ids of the events that it has handled.
        failed: of those that it has failed on.
    """

    event_types = (ANY,)

    def __init__(self, *, fails: bool = False) -> None:
        self.handled: list[str] = []
        self.failed: list[str] = []
        self._fails = fails

    async def handle(self, event: Event) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        if self._fails:
            self.failed.append(event.id)
            raise _HandlerFailed
        self.handled.append(event.id)


def _interceptors(installed: Installed) -> tuple[Interceptor, ...]:
    found = installed.loaded().interceptors
    if not found:
        fail(f"{installed.plugin} brings no interceptor: test it with the class for what it brings")
    return found


def _event(installed: Installed) -> Event:
    return installed.author_event() or Event(EventType.USER_CREATED)


def _is_async(made: object, event: Event) -> bool:
    returned: object = made(event) if callable(made) else None
    if inspect.iscoroutine(returned):
        returned.close()
    return inspect.isawaitable(returned)


def _error_of(interceptor: Interceptor, handler: _Handler, event: Event) -> Exception | None:
    """What the bus would see of a handler inside."""
    try:
        run(_call(interceptor, handler, event))
    except Exception as error:  # noqa: BLE001 - whatever comes out
        return error
    return None


@asynccontextmanager
async def _calling(
    interceptor: Interceptor, installed: Installed
) -> AsyncIterator[Coroutine[object, object, None]]:
    """Around a new handler, for a new event."""
    yield _call(interceptor, _Handler(), _event(installed))


async def _call(interceptor: Interceptor, handler: _Handler, event: Event) -> None:
    made: object = interceptor(handler, handler.handle)
    returned: object = made(event) if callable(made) else None
    if not inspect.isawaitable(returned):
        pytest.skip("it returns no async call: see the test of that")
    await returned


def _is_from(error: BaseException | None, kind: type[Exception]) -> bool:
    """Whether an exception is of a kind, or was raised from one that is."""
    if error is None or isinstance(error, kind):
        return error is not None
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return any(_is_from(one, kind) for one in (error.__cause__, error.__context__, *inner))
