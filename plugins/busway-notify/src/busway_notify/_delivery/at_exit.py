"""A call to be made when this process ends in good order, whichever way it does."""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AtExit"]


class AtExit:
    """Makes a call at the interpreter's exit, from `begin` until `cancel`.

    Args:
        call: what is to be called; it may be called twice.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._forget: Callable[[], object] | None = None

    def begin(self) -> None:
        """Ask for the call.

        A child of `multiprocessing` ends without the interpreter's exit, by `os._exit`, but calls
        its finalizers first.
        """
        atexit.register(self._call)
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            self._forget = util.Finalize(None, self._call, exitpriority=0).cancel

    def cancel(self) -> None:
        """Make no call."""
        atexit.unregister(self._call)
        if self._forget is not None:
            self._forget()
            self._forget = None
