"""The entry of the command: from its first moment on, a signal ends it as it should."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["exit_code_of", "main"]


def main() -> NoReturn:
    """Run the command `busway` with the arguments of the process, and exit.

    While events are published, `busway run` meets signals itself; before and after there is
    nothing to drain.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        # imported here: it takes long enough for a signal to come
        from busway_cli._main import run

        run()
    except KeyboardInterrupt as interrupt:
        sys.exit(exit_code_of(interrupt))


def exit_code_of(interrupt: BaseException | None) -> int:
    """What a shell expects of a program that a signal ended."""
    return 128 + (signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT)


class _Terminated(KeyboardInterrupt):
    """SIGTERM. An interrupt, since SystemExit during a plugin's import is that plugin's failure."""


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated
