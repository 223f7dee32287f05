"""What a handler leaves behind: threads, tasks, open files, warnings."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from busway_testing._running import BRAKE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Left", "tasks_left", "warnings_of_leaks"]

_TURNS: Final = 10
"""Turns of the loop that a task which was told to end may take for that."""


class Left:
    """Threads and open files that are there now, to see which are left later."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._files = _open_files()

    def told(self) -> list[str]:
        """What is left; a thread that is about to end is waited for."""
        threads = set(threading.enumerate()) - self._threads
        for thread in threads:
            thread.join(BRAKE)
        told = [f"the thread {one.name}" for one in threads if one.is_alive()]
        files = _open_files()
        if len(files) > len(self._files):
            told += [f"the open file {files[one]}" for one in files.keys() - self._files.keys()]
        return told


async def tasks_left(before: set[asyncio.Task[object]]) -> list[str]:
    """The tasks that go on, besides those of before."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before
    return [f"the task {one.get_name()} ({one.get_coro()!r})" for one in left]


@contextmanager
def warnings_of_leaks() -> Iterator[list[str]]:
    """What the interpreter warns of when objects are thrown away: files not closed, and such."""
    told: list[str] = []
    gc.collect()  # what others have left
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
        gc.collect()
    told += [f"the warning {str(one.message)!r}" for one in caught if _is_of_leak(one)]


def _is_of_leak(caught: warnings.WarningMessage) -> bool:
    return issubclass(caught.category, ResourceWarning) or "never awaited" in str(caught.message)


def _open_files() -> dict[str, str]:
    """By descriptor, what is open, where the system tells."""
    files: dict[str, str] = {}
    for folder in ("/proc/self/fd", "/dev/fd"):
        if os.path.isdir(folder):
            for one in os.listdir(folder):
                with suppress(OSError):  # the one that lists them is gone already
                    files[one] = os.readlink(f"{folder}/{one}")
            break
    return files
