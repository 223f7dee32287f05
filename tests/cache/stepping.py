"""Every order in which the steps of concurrent coroutines can follow one another.

Actors are coroutines that await `step()` at each point where another may come between. A run lets
them go one step at a time, by a list of choices; `orders` runs a scenario with all lists there
are, depth first. They are real tasks on a real loop: what the code under test awaits besides
(a lock, another's load) is waited for, and ends within the step that makes it ready.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextvars import ContextVar
from typing import TypeAlias

__all__ = ["Actors", "answered", "orders", "step"]

Actors: TypeAlias = Mapping[str, Callable[[], Coroutine[object, object, None]]]
_current: ContextVar[_Run] = ContextVar("stepping_run")
_name: ContextVar[str] = ContextVar("stepping_name", default="")


class _NoInput(selectors.SelectSelector):
    """Asks the system for nothing: a loop that only runs what is ready."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(0) if self.watches_sockets else []

    watches_sockets = False


class _Sockets(_NoInput):
    """For code that talks to a server: what arrives is looked for."""

    watches_sockets = True


class _Run:
    """One order: the actors that stand before a step, and what was chosen."""

    def __init__(self, choices: list[int]) -> None:
        self.choices = choices
        self.taken: list[tuple[int, int]] = []  # the choice, out of how many
        self.waiting: dict[str, asyncio.Future[None]] = {}
        self.busy = 0  # calls to a server that have not been answered

    def choose(self) -> str:
        names = sorted(self.waiting)
        place = len(self.taken)
        choice = self.choices[place] if place < len(self.choices) else 0
        self.taken.append((choice, len(names)))
        return names[choice]


async def step() -> None:
    """A point where others may come between; nothing outside a run."""
    run = _current.get(None)
    if run is None:
        return
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    name = _name.get()
    assert name not in run.waiting, f"{name} takes two steps at once"
    run.waiting[name] = gate
    try:
        await gate
    finally:
        if run.waiting.get(name) is gate:
            del run.waiting[name]


async def answered(call: Awaitable[object]) -> object:
    """Await a server's answer: the next step is not chosen before it has come."""
    run = _current.get(None)
    if run is None:
        return await call
    run.busy += 1
    try:
        return await call
    finally:
        run.busy -= 1


def orders(
    scenario: Callable[[], Awaitable[Actors]],
    after: Callable[[], Awaitable[None]] | None = None,
    close: Callable[[], Awaitable[None]] | None = None,
    *,
    sockets: bool = False,
) -> Iterator[int]:
    """Run a scenario in every order; yields the number of steps of each.

    Args:
        scenario: awaited anew before each order; the actors by name.
        after: awaited after each.
        close: awaited after all of them, on their loop.
        sockets: whether the code under test talks to servers.
    """
    loop = asyncio.SelectorEventLoop(_Sockets() if sockets else _NoInput())
    choices: list[int] | None = []
    try:
        while choices is not None:
            run = _Run(choices)
            loop.run_until_complete(_go(run, scenario, after))
            yield len(run.taken)
            choices = _next(run.taken)
    finally:
        if close is not None:
            loop.run_until_complete(close())
        loop.close()


async def _go(
    run: _Run,
    scenario: Callable[[], Awaitable[Actors]],
    after: Callable[[], Awaitable[None]] | None,
) -> None:
    actors, tasks = await scenario(), []
    token = _current.set(run)
    for name, actor in actors.items():
        _name.set(name)
        tasks.append(asyncio.create_task(actor(), name=name))
    await _settle(run)
    while run.waiting:
        run.waiting.pop(run.choose()).set_result(None)
        await _settle(run)
    for done in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(done, Exception):
            raise done
    _current.reset(token)
    if after is not None:
        await after()


async def _settle(run: _Run) -> None:
    """Run until each task stands before a step, waits for another, or is done."""
    ready = asyncio.get_running_loop()._ready
    await asyncio.sleep(0)
    while ready or run.busy:
        await asyncio.sleep(0)


def _next(taken: list[tuple[int, int]]) -> list[int] | None:
    """The choices of the next order, depth first; None after the last."""
    while taken and taken[-1][0] + 1 == taken[-1][1]:
        taken.pop()
    if not taken:
        return None
    *before, (choice, _) = taken
    return [one for one, _ in before] + [choice + 1]
