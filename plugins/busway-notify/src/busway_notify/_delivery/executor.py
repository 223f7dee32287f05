"""An executor whose threads hold up no exit: looking a name up may take a minute."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DaemonExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


class DaemonExecutor(ThreadPoolExecutor):
    """A daemon thread a call, for what an event loop leaves to threads: names to look up.

    The threads of the standard library's are waited for at exit, and it takes no calls while the
    interpreter exits, when there may be mail to deliver. asyncio wants a subclass of it.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it in a thread of its own; at the interpreter's exit, when none starts, at once."""
        future: Future[T] = Future()
        call = (future, lambda: fn(*args, **kwargs))
        try:
            Thread(target=_call, args=call, daemon=True).start()
        except RuntimeError:
            _call(*call)
        return future


def _call(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - it is raised where the future is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
