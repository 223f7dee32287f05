"""The hook implementations of a plugin, and whether they are what the specifications say."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Function: TypeAlias = Callable[..., object]  # type: ignore[explicit-any]  # a stranger's

__all__ = [
    "HookImpl",
    "async_hooks",
    "hook_impls",
    "illegal_arguments",
    "objections",
    "unknown_hooks",
]

_PREFIX: Final = "busway_"
_MARK: Final = "busway_impl"
"""Where `busway.hookimpl` leaves its options: pluggy's name for it."""


class HookImpl(NamedTuple):
    """One implementation.

    Attributes:
        name: of the function.
        hook: of the hook that it implements.
        function: the function.
        is_marked: whether it stands under `@busway.hookimpl`.
    """

    name: str
    hook: str
    function: Function
    is_marked: bool

    @property
    def arguments(self) -> list[str]:
        """What it wants to be given."""
        parameters = inspect.signature(self.function).parameters.values()
        return [one.name for one in parameters if one.default is one.empty and one.name != "self"]


def hook_impls(thing: object) -> Iterator[HookImpl]:
    """Those of a module, a class or an object, and functions that seem meant to be some."""
    for name in dir(thing):
        function = getattr(thing, name, None)
        options = getattr(function, _MARK, None)
        is_marked = isinstance(options, dict)
        if callable(function) and (is_marked or name.startswith(_PREFIX)):
            hook = (options.get("specname") if isinstance(options, dict) else None) or name
            yield HookImpl(name, hook, function, is_marked)


def unknown_hooks(thing: object) -> list[str]:
    """What is wrong with the names of hooks, and what to do."""
    known = _specifications()
    told = []
    for one in hook_impls(thing):
        near = difflib.get_close_matches(one.hook, known, n=1)
        if one.hook not in known:
            meant = f"is {near[0]} meant?" if near else f"there are {', '.join(sorted(known))}"
            told.append(f"there is no hook {one.hook}: {meant}")
        elif not one.is_marked:
            told.append(f"{one.name} is never called: put @busway.hookimpl above it")
    return told


def illegal_arguments(thing: object) -> list[str]:
    """What is wrong with the arguments of hooks, and what to do."""
    known = _specifications()
    return [
        f"{one.name} wants {argument}, which is no argument of that hook; "
        f"it can have {', '.join(known[one.hook]) or 'none'}"
        for one in hook_impls(thing)
        for argument in one.arguments
        if argument not in known.get(one.hook, [argument])
    ]


def async_hooks(thing: object) -> list[str]:
    """Which hooks nobody would await, and what to do."""
    return [
        f"{one.name} is async, and hooks are not awaited: write a plain `def`"
        for one in hook_impls(thing)
        if inspect.iscoroutinefunction(one.function) or inspect.isasyncgenfunction(one.function)
    ]


def objections(thing: object) -> list[str]:
    """All that is wrong with hooks before they are called."""
    return [*unknown_hooks(thing), *illegal_arguments(thing), *async_hooks(thing)]


def _specifications() -> dict[str, list[str]]:
    """The hooks that there are, and the arguments of each."""
    # imported here: it is a part of busway that `import busway_testing` does without
    from busway import hookspecs

    return {
        name: list(inspect.signature(getattr(hookspecs, name)).parameters)
        for name in hookspecs.__all__
        if name.startswith(_PREFIX)
    }
