"""Puts changed source into a module that has been imported."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["apply", "can_be_imported", "source_of"]

_FUNCTION = 0x2  # inspect.CO_NEWLOCALS
_Names = dict[str, object]


def source_of(module: types.ModuleType) -> str:
    """What it was imported from."""
    return Path(module.__file__ or "").read_text(encoding="utf-8")


def can_be_imported(module: types.ModuleType, code: str) -> bool:
    """Whether a module's changed source runs to its end."""
    try:
        _executed(module, code)
    except Exception:
        return False
    return True


def apply(module: types.ModuleType, code: str, *, whole: bool) -> None:
    """Make a module what it would be if that had been its source.

    Args:
        module: it stays the same object, as do its functions: who holds one has the change.
        code: the changed source, with the same functions in the same order.
        whole: whether constants, defaults or attributes of classes may have changed, too.
    """
    old, new = (
        [*_codes(compile(one, module.__file__ or "", "exec"))] for one in (source_of(module), code)
    )
    changed = {_place(one): other for one, other in zip(old, new, strict=True)}
    for function in _functions(vars(module), module.__name__):
        function.__code__ = changed[_place(function.__code__)]
    if whole:
        before, after = _executed(module, source_of(module)), _executed(module, code)
        _put_values(vars(module), before, after, module)


def _place(code: types.CodeType) -> tuple[str, int]:
    """Tells a property's getter from its setter, too."""
    return code.co_qualname, code.co_firstlineno


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Those of functions and methods, not of what is nested in functions."""
    for one in code.co_consts:
        if isinstance(one, types.CodeType) and one.co_flags & _FUNCTION:
            yield one
        elif isinstance(one, types.CodeType):
            yield from _codes(one)


def _functions(names: _Names, module: str) -> Iterator[types.FunctionType]:
    for one in [*names.values()]:
        if isinstance(one, type) and one.__module__ == module:
            yield from _functions(dict(vars(one)), module)
        for part in (one.fget, one.fset) if isinstance(one, property) else (one,):
            function = getattr(part, "__func__", part)
            function = getattr(function, "__wrapped__", function)
            if isinstance(function, types.FunctionType) and function.__module__ == module:
                yield function


def _executed(module: types.ModuleType, code: str) -> _Names:
    names: _Names = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(code, module.__file__ or "", "exec"), names)
    return names


def _put_values(live: _Names, before: _Names, after: _Names, owner: object) -> None:
    """Set in `owner`, whose names are `live`, the values that differ."""
    for name, value in after.items():
        old, there = before.get(name), live.get(name)
        if isinstance(value, type) and isinstance(there, type) and isinstance(old, type):
            if value is not old:
                _put_values(dict(vars(there)), dict(vars(old)), dict(vars(value)), there)
        elif isinstance(value, types.FunctionType) and isinstance(there, types.FunctionType):
            there.__defaults__ = value.__defaults__
            there.__kwdefaults__ = value.__kwdefaults__
        elif not name.startswith("__") and _told(old) != _told(value):
            setattr(owner, name, value)


def _told(value: object) -> str:
    return re.sub(r"0x[0-9a-f]+", "", repr(value))
