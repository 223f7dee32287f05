"""Follow the tasks that handlers start, on every version of Python."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from busway._publication import CURRENT

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context

    from busway_testing._record import Record

__all__ = ["TaskFollower"]


class TaskFollower:
    """Puts a task factory on the loops that it is shown, around the one that is there.

    A task has its cause in its context: the publication whose handler was running. Only from
    Python 3.12 on a task tells its context, so it is read when the task is made.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._followed: list[tuple[asyncio.AbstractEventLoop, _Factory]] = []

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """See the tasks that are made on a loop from now on; called on that loop."""
        before: object = loop.get_task_factory()
        if isinstance(before, _Factory) and before.record is self._record:
            return
        factory = _Factory(self._record, cast("_AnyFactory | None", before))
        loop.set_task_factory(factory)  # type: ignore[arg-type]  # more options than theirs
        self._followed.append((loop, factory))

    def restore(self) -> None:
        """Put back what was there before, where nobody has put another factory around ours."""
        for loop, factory in reversed(self._followed):
            there: object = loop.get_task_factory()
            if there is factory and not loop.is_closed():
                loop.set_task_factory(factory.before)  # type: ignore[arg-type]  # as above
        self._followed.clear()


class _AnyFactory(Protocol):
    """A task factory; each version of Python has more options."""

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[object, object, object],
        /,
        **options: object,
    ) -> asyncio.Future[object]: ...


class _Factory:
    """A task factory that tells of what it makes."""

    def __init__(self, record: Record, before: _AnyFactory | None) -> None:
        self.record = record
        self.before = before

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[object, object, object],
        /,
        **options: object,
    ) -> asyncio.Future[object]:
        make = self.before or _make_task
        task = make(loop, coroutine, **options)
        context = cast("Context | None", options.get("context"))
        cause = CURRENT.get() if context is None else context.get(CURRENT)
        if cause is not None:
            self.record.follow(task, cause.event)
        return task


def _make_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[object, object, object],
    /,
    **options: object,
) -> asyncio.Future[object]:
    return asyncio.Task(coroutine, loop=loop, **options)  # type: ignore[arg-type]  # passed on
