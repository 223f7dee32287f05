"""A program: import a module as the first thing, and write down what that did besides.

`python _probe.py MODULE plain|inside FILE`: in a fresh process, with or without a running loop.
"""

from __future__ import annotations

import _thread
import asyncio
import gc
import importlib
import json
import os
import sys
import sysconfig
import threading
import traceback
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from busway.bus import EventBus
from busway.decorators import hold_registrations

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []

_P = ParamSpec("_P")
_R = TypeVar("_R")
_WATCHED: tuple[tuple[object, str, str], ...] = (
    (threading.Thread, "start", "starts a thread"),
    (_thread, "start_new_thread", "starts a thread"),
    (asyncio.BaseEventLoop, "__init__", "makes an event loop"),
    (EventBus, "__init__", "makes a bus"),
)
_STDLIB = sysconfig.get_path("stdlib")
_SITE = sysconfig.get_path("purelib")

_effects: list[str] = []


def main() -> None:
    """Do as the command line says."""
    module, mode, file = sys.argv[1:]
    error = ""
    try:
        if mode == "inside":
            asyncio.run(_import_inside(module), debug=False)  # it would print what is slow
        else:
            _watch()
            _import(module)
    except BaseException:  # noqa: BLE001 - written down
        error = traceback.format_exc()
    Path(file).write_text(json.dumps({"effects": _effects, "error": error}), encoding="utf-8")


async def _import_inside(module: str) -> None:
    _watch()
    _import(module)
    _effects.extend(
        f"starts a task, {task.get_name()}, of {getattr(task.get_coro(), '__qualname__', '')}"
        for task in asyncio.all_tasks() - {asyncio.current_task()}
    )


def _import(module: str) -> None:
    """As `load_plugins` does it."""
    loops = set(_loops())
    with hold_registrations():
        importlib.import_module(module)
    if _loops() - loops and not _effects:  # one that is not of asyncio's own make
        _effects.append("makes an event loop")


def _watch() -> None:
    for holder, name, what in _WATCHED:
        setattr(holder, name, _noted(getattr(holder, name), what))


def _noted(function: Callable[_P, _R], what: str) -> Callable[_P, _R]:
    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        _note(what)
        return function(*args, **kwargs)

    return call


def _note(what: str) -> None:
    """Write down an effect, with the last line of a stranger's code that led to it."""
    strange = [
        frame
        for frame in traceback.extract_stack()
        if not frame.filename.startswith("<")
        and (frame.filename.startswith(_SITE) or not frame.filename.startswith(_STDLIB))
        and frame.filename != __file__
    ]
    place = f" ({strange[-1].filename}:{strange[-1].lineno})" if strange else ""
    _effects.append(what + place)


def _loops() -> set[int]:
    return {id(one) for one in gc.get_objects() if isinstance(one, asyncio.AbstractEventLoop)}


if __name__ == "__main__":
    main()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # threads that the module has started may not end
