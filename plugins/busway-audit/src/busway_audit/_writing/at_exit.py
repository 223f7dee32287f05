"""A call to be made when this process ends in good order, whichever way it does."""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AtExit"]


class AtExit:
    """Makes a call at the interpreter's exit.

    Calls are made in the reverse of the order in which they were asked for, and one that is asked
    for during the exit is not made. So this is asked for twice: at once, that it be made at all;
    and when there is work, that it be made before whatever else was asked for until then.

    Args:
        call: what is to be called; it may be called twice.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._is_begun = False
        self._forget: Callable[[], object] | None = None
        atexit.register(call)

    def begin(self) -> None:
        """There is work from now on.

        A child of `multiprocessing` ends without the interpreter's exit, by `os._exit`, but calls
        its finalizers first: those that were made since it began.
        """
        if self._is_begun:
            return
        self._is_begun = True
        atexit.register(self._call)
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            self._forget = util.Finalize(None, self._call, exitpriority=0).cancel

    def cancel(self) -> None:
        """Make no call."""
        atexit.unregister(self._call)
        if self._forget is not None:
            self._forget()
