"""Start a task at once, up to its first suspension, on every version of Python.

Source: asyncio's eager tasks (Python 3.12); for 3.11 the extension points that asyncio documents
for third-party tasks (docs.python.org, "Extending", "Task lifetime support").
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextvars import Context

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
        the future that it yields is handed over when the loop comes round to the task.

        Args:
            coroutine: it must let no exception out.
            loop: the running loop.
            context: entered for every step of the task.

        Returns:
            The task: waiting, or about to end in the loop's next turn and no longer counted among
            `asyncio.all_tasks()`.
        """
        carrier = _Carrier(coroutine)
        task = EagerTask(carrier, loop=loop, context=context)
        outer = asyncio.current_task(loop)
        if outer is not None:
            asyncio.tasks._leave_task(loop, outer)  # noqa: SLF001 - documented
        asyncio.tasks._enter_task(loop, task)  # noqa: SLF001 - documented
        try:
            context.run(carrier.take_first_step)
        finally:
            asyncio.tasks._leave_task(loop, task)  # noqa: SLF001 - documented
            if outer is not None:
                asyncio.tasks._enter_task(loop, outer)  # noqa: SLF001 - documented
        if carrier.ended:
            asyncio.tasks._unregister_task(task)  # noqa: SLF001 - documented
        return task

    class _Carrier(Coroutine[object, None, None]):
        """A coroutine whose first step may already have been taken when its task begins."""

        def __init__(self, coroutine: Coroutine[object, None, None]) -> None:
            self._coroutine = coroutine
            self._future: asyncio.Future[object] | None = None
            self._handed_over = False
            self.ended = False

        def take_first_step(self) -> None:
            try:
                yielded = self._coroutine.send(None)
            except StopIteration:
                self.ended = True
                return
            if asyncio.isfuture(yielded):
                # A future tells by this flag that it is being awaited, and the awaiter's task
                # takes it down at once: others may await the same future before ours does.
                self._future = yielded
                self._future._asyncio_future_blocking = False  # noqa: SLF001 - its protocol

        def send(self, value: None, /) -> object:
            if self._handed_over:
                return self._coroutine.send(value)
            self._handed_over = True
            if self.ended:
                raise StopIteration
            return self._hand_over()

        def throw(self, error: BaseException, /, *_: object) -> object:  # type: ignore[override]
            # Cancelled before the loop came round to it: what it waits for is cancelled instead,
            # as Task.cancel() would have done, and the task waits to see that happen.
            first, self._handed_over = not self._handed_over, True
            if first and self.ended:
                raise StopIteration
            if first and self._future is not None and self._future.cancel(*error.args):
                return self._hand_over()
            return self._coroutine.throw(error)

        def _hand_over(self) -> object:
            if self._future is not None:
                self._future._asyncio_future_blocking = True  # noqa: SLF001 - its protocol
            return self._future

        def close(self) -> None:
            self._coroutine.close()

        def __await__(self) -> Generator[object, None, None]:
            raise NotImplementedError  # a task drives it by send and throw
