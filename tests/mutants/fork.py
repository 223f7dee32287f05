"""Runs tests in a fork of this process, which may be changed first, or hang, and is thrown away."""

from __future__ import annotations

import os
import resource
import select
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    Run = Callable[[pytest.Item, pytest.Item | None], bool]

__all__ = ["first_to_fail"]

_PATIENCE: Final = 300
"""How often a tenth of a second may pass without a test ending. It is counted, not measured: who
stops these processes for a while fails no test."""
_MOST_MEMORY: Final = 4 << 30
"""Bytes: what never ends may fill the memory meanwhile."""


def first_to_fail(
    change: Callable[[], None], tests: Sequence[pytest.Item], run: Run
) -> tuple[pytest.Item, str] | None:
    """Make a change in a fork, and run tests there until one fails.

    Args:
        change: it has no effect here.
        tests: in the order in which they are run.
        run: runs one of them, given the next; whether it passes.

    Returns:
        The test that failed, and how: `failed` or `hung`. None if all passed.

    Raises:
        AssertionError: if the change could not be made.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _be(change, tests, run, writing)
    os.close(writing)
    told, how = _watch(reading)
    os.close(reading)
    os.killpg(child, signal.SIGKILL)  # and what it has started
    os.waitpid(child, 0)
    assert told, "the change could not be made"
    return None if told > len(tests) else (tests[told - 1], how)


def _watch(reading: int) -> tuple[int, str]:
    """How many bytes came before the fork ended, or hung."""
    told = waited = 0
    while waited < _PATIENCE:
        if not select.select([reading], [], [], 0.1)[0]:
            waited += 1
        elif some := os.read(reading, 4096):
            told, waited = told + len(some), 0
        else:
            return told, "failed"
    return told, "hung"


def _be(change: Callable[[], None], tests: Sequence[pytest.Item], run: Run, writing: int) -> None:
    """Be the fork: write a byte when the change is made, and one for each test that passes."""
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        change()
        os.write(writing, b".")
        for test, following in zip(tests, [*tests[1:], None], strict=True):
            if not run(test, following):
                break
            os.write(writing, b".")
    finally:
        os._exit(0)
