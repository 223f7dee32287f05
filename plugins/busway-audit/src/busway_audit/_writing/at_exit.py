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

    A child of `multiprocessing` ends without that, by `os._exit`, but calls its finalizers first.

    Args:
        call: what is to be called; it may be called twice.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        atexit.register(call)
        util = sys.modules.get("multiprocessing.util")
        self._finalizer = None if util is None else util.Finalize(None, call, exitpriority=0)

    def cancel(self) -> None:
        """Make no call."""
        atexit.unregister(self._call)
        if self._finalizer is not None:
            self._finalizer.cancel()
