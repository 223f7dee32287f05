"""Start a task at once, up to its first suspension, on every version of Python.

Source: asyncio's eager tasks (Python 3.12); for 3.11 the extension points that asyncio documents
for third-party tasks (docs.python.org, "Extending", "Task lifetime support").
"""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

__all__ = ["EagerTask", "start_eagerly"]


class EagerTask(asyncio.Task[None]):
    """A task that lets what runs in it see that it was asked to cancel, whatever became of that.

    Attributes:
        seen: a context that nobody runs in: when the task is asked to cancel, a variable is set in
            it. What runs in the task compares its own with it after each step: so it notices both
            a trace left in its own and the request, and by a comparison that costs less than
            `cancelling()`.
    """

    __slots__ = ("seen",)
    seen: Context | None

    def cancel(self, msg: str | None = None) -> bool:
        """Request cancellation, as `asyncio.Task.cancel`."""
        seen = getattr(self, "seen", None)  # what runs in it may not look
        if seen is not None:
            seen.run(_CUT.set, object())
        return super().cancel(msg)


_CUT: Final[ContextVar[object]] = ContextVar("busway_cut")


if sys.version_info >= (3, 12):

    def start_eagerly(
        coroutine: Coroutine[object, None, None],
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> EagerTask | None:
        """Run a coroutine in a task of its own, in `context`, until it ends or suspends.

        Args:
            coroutine: it must let no exception out.
            loop: the running loop.
            context: entered for every step of the task.

        Returns:
            The task, if it waits.
        """
        task = EagerTask(coroutine, loop=loop, context=context, eager_start=True)
        return None if task.done() else task

else:

    def start_eagerly(
        coroutine: Coroutine[object, None, None],
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> EagerTask | None:
        """Run a coroutine in a task of its own, in `context`, until it ends or suspends.

        The first step is run here, under the name of a task that has not begun. If the coroutine
        suspends, the task carries it on when the loop comes round to it; if it has ended, the task
        is idle until then, and serves the next one.

        Args:
            coroutine: it must let no exception out.
            loop: the running loop.
            context: entered for every step of the task.

        Returns:
            The task, if it waits.
        """
        task = _idle.take(loop)
        task.carried = coroutine
        outer = asyncio.current_task(loop)
        if outer is not None:
            _leave_task(loop, outer)
        _enter_task(loop, task)
        try:
            awaited = context.run(coroutine.send, None)
        except StopIteration:
            _idle.give(task)
            return None
        finally:
            _leave_task(loop, task)
            if outer is not None:
                _enter_task(loop, outer)
        task.carry_on(context, awaited)
        return task

    _enter_task = asyncio.tasks._enter_task  # noqa: SLF001 - documented
    _leave_task = asyncio.tasks._leave_task  # noqa: SLF001 - documented

    class _Carrier(EagerTask):
        """A task that carries on a coroutine whose first step was taken before its own.

        Attributes:
            carried: the coroutine; None while it is idle: then it is done, as far as others see.
            spent: whether it was asked to cancel, so that it serves no other.
        """

        __slots__ = ("_awaited", "_context", "_future", "carried", "spent")

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self.carried: Coroutine[object, None, None] | None = None
            self.spent = False
            self._context: Context | None = None
            steps = self._steps()
            steps.send(None)  # begun, it hears of a cancellation that comes before its task's step
            super().__init__(
                cast("Coroutine[object, None, None]", steps), loop=loop, context=Context()
            )
            self._log_destroy_pending = False

        def carry_on(self, context: Context, awaited: object) -> None:
            """The coroutine has suspended.

            Args:
                context: entered for every step of it.
                awaited: what it has yielded to the loop.
            """
            self._context, self._awaited = context, awaited
            self._future: asyncio.Future[object] | None = None
            self._log_destroy_pending = True
            if awaited is not None and getattr(awaited, "_asyncio_future_blocking", False):
                # A future tells by this flag that it is being awaited, and the awaiter's task
                # takes it down at once: others may await the same future before ours does.
                self._future = cast("asyncio.Future[object]", awaited)
                self._future._asyncio_future_blocking = False  # noqa: SLF001 - its protocol

        def cancel(self, msg: str | None = None) -> bool:
            """Request cancellation, as `asyncio.Task.cancel`."""
            self.spent = True
            return super().cancel(msg)

        def done(self) -> bool:
            """Whether it has ended, as `asyncio.Task.done`, or is idle."""
            return self.carried is None or super().done()

        def get_coro(self) -> Coroutine[Any, Any, None]:  # type: ignore[explicit-any]  # asyncio's
            """What it runs, as `asyncio.Task.get_coro`."""
            return self.carried or cast("Coroutine[object, None, None]", super().get_coro())

        @types.coroutine
        def _steps(self) -> Generator[object, None, None]:
            error: BaseException | None = None
            try:
                yield None  # until the loop comes round to the task
            except BaseException as cancelled:  # noqa: BLE001 - it goes where it is meant to
                error = cancelled
            if self.carried is not None and self._context is not None:  # else it is idle
                error = self._take_up(error)
                yield from _drive(self.carried, self._context, self._awaited, error)

        def _take_up(self, error: BaseException | None) -> BaseException | None:
            """Await the future that the first step awaits; what is still to be thrown in.

            If the task was cancelled already, what it waits for is cancelled instead, as
            `asyncio.Task.cancel` would have done, and the task waits to see that happen.
            """
            if self._future is not None:
                if error is not None and self._future.cancel(*error.args):
                    error = None
                self._future._asyncio_future_blocking = error is None  # noqa: SLF001 - its protocol
            return error

    def _drive(
        coroutine: Coroutine[object, None, None],
        context: Context,
        awaited: object,
        error: BaseException | None,
    ) -> Generator[object, None, None]:
        """Go on with a coroutine that awaits something, or throw an error in, until it ends."""
        while True:
            if error is None:
                try:
                    yield awaited
                except GeneratorExit:  # it is thrown away; the coroutine may be gone already
                    context.run(coroutine.close)
                    raise
                except BaseException as thrown:  # noqa: BLE001 - it goes where it is meant to
                    error = thrown
            try:
                if error is None:
                    awaited = context.run(coroutine.send, None)
                else:
                    awaited = context.run(coroutine.throw, error)
            except StopIteration:
                return
            finally:
                error = None  # it holds this frame by its traceback

    class _Idle(threading.local):
        """The idle tasks of this thread, on the loop that ran last."""

        def __init__(self) -> None:
            self._loop: asyncio.AbstractEventLoop | None = None
            self._tasks: list[_Carrier] = []

        def take(self, loop: asyncio.AbstractEventLoop) -> _Carrier:
            if self._loop is not loop:  # those of a loop that has ended are of no use
                self._loop, self._tasks = loop, []
            while self._tasks:
                task = self._tasks.pop()
                if not (task.spent or asyncio.Task.done(task)):
                    return task
            return _Carrier(loop)

        def give(self, task: _Carrier) -> None:
            task.seen = None  # it leads to what was published
            task.carried = None
            self._tasks.append(task)

    _idle = _Idle()
