"""Start a task at once, up to its first suspension, on every version of Python.

Source: asyncio's eager tasks (Python 3.12); for 3.11 the extension points that asyncio documents
for third-party tasks (docs.python.org, "Extending", "Task lifetime support").
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine
from contextvars import Context
from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["EagerTask", "start_eagerly"]


class EagerTask(asyncio.Task[None]):
    """A task that remembers that it was asked to cancel, whatever became of the request.

    A lane looks at `cut` after each handler: that is cheaper than `cancelling()`.
    """

    cut = False

    def cancel(self, msg: str | None = None) -> bool:
        """Request cancellation, as `asyncio.Task.cancel`."""
        self.cut = True
        return super().cancel(msg)


if sys.version_info >= (3, 12):

    def start_eagerly(
        coroutine: Coroutine[object, None, None],
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> EagerTask:
        """Run a coroutine in a task of its own, in `context`, until it ends or suspends.

        Args:
            coroutine: it must let no exception out.
            loop: the running loop.
            context: entered for every step of the task.

        Returns:
            The task: done, or waiting.
        """
        return EagerTask(coroutine, loop=loop, context=context, eager_start=True)

else:

    def start_eagerly(
        coroutine: Coroutine[object, None, None],
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> EagerTask:
        """Run a coroutine in a task of its own, in `context`, until it ends or suspends.

        The first step is run here, under the name of a task that holds a carrier of the coroutine;
        the future that it yields is handed over when the loop comes round to the task. The task
        of a coroutine that ended at once is idle until then, and serves the next one.

        Args:
            coroutine: it must let no exception out.
            loop: the running loop.
            context: entered for every step of the task.

        Returns:
            The task: waiting, or idle and not counted among `asyncio.all_tasks()`.
        """
        task = _idle.take(loop)
        carrier = task.carrier
        outer = asyncio.current_task(loop)
        if outer is not None:
            asyncio.tasks._leave_task(loop, outer)  # noqa: SLF001 - documented
        asyncio.tasks._enter_task(loop, task)  # noqa: SLF001 - documented
        try:
            carrier.begin(coroutine, context)
        finally:
            asyncio.tasks._leave_task(loop, task)  # noqa: SLF001 - documented
            if outer is not None:
                asyncio.tasks._enter_task(loop, outer)  # noqa: SLF001 - documented
        if carrier.is_idle:
            _idle.put(task)
        return task

    class _CarrierTask(EagerTask):
        """A task that can serve several coroutines, one after another, until its first step."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self.carrier = _Carrier()
            super().__init__(self.carrier, loop=loop, context=Context())

    class _Idle(threading.local):
        """The idle tasks of this thread. Their loop holds them until it comes round to them."""

        def __init__(self) -> None:
            self._tasks: list[ref[_CarrierTask]] = []

        def take(self, loop: asyncio.AbstractEventLoop) -> _CarrierTask:
            while self._tasks:
                task = self._tasks.pop()()
                if task is not None and task.get_loop() is loop and not (task.cut or task.done()):
                    asyncio.tasks._register_task(task)  # noqa: SLF001 - documented
                    return task
            return _CarrierTask(loop)

        def put(self, task: _CarrierTask) -> None:
            asyncio.tasks._unregister_task(task)  # noqa: SLF001 - documented
            self._tasks.append(ref(task))

    class _Carrier(Coroutine[object, None, None]):
        """A coroutine whose first step may already have been taken when its task begins."""

        def __init__(self) -> None:
            self._coroutine: Coroutine[object, None, None] | None = None
            self._future: asyncio.Future[object] | None = None
            self._handed_over = False

        @property
        def is_idle(self) -> bool:
            return self._coroutine is None

        def begin(self, coroutine: Coroutine[object, None, None], context: Context) -> None:
            """Take the first step."""
            self._coroutine, self._context = coroutine, context
            try:
                yielded = context.run(coroutine.send, None)
            except StopIteration:
                self._coroutine = None
                return
            if asyncio.isfuture(yielded):
                # A future tells by this flag that it is being awaited, and the awaiter's task
                # takes it down at once: others may await the same future before ours does.
                self._future = yielded
                self._future._asyncio_future_blocking = False  # noqa: SLF001 - its protocol

        def send(self, value: None, /) -> object:
            if self._coroutine is None:
                raise StopIteration
            if self._handed_over:
                return self._context.run(self._coroutine.send, value)
            return self._hand_over()

        def throw(self, error: BaseException, /, *_: object) -> object:  # type: ignore[override]
            if self._coroutine is None:
                raise StopIteration
            # Cancelled before the loop came round to it: what it waits for is cancelled instead,
            # as Task.cancel() would have done, and the task waits to see that happen.
            future = None if self._handed_over else self._future
            if future is not None and future.cancel(*error.args):
                return self._hand_over()
            self._handed_over, self._future = True, None
            return self._context.run(self._coroutine.throw, error)

        def _hand_over(self) -> object:
            self._handed_over = True
            future, self._future = self._future, None
            if future is not None:
                future._asyncio_future_blocking = True  # noqa: SLF001 - its protocol
            return future

        def close(self) -> None:
            if self._coroutine is not None:
                self._context.run(self._coroutine.close)

        def __await__(self) -> Generator[object, None, None]:
            raise NotImplementedError  # a task drives it by send and throw

    _idle = _Idle()
