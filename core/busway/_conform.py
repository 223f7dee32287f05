"""Check a setting's value against the annotation of its parameter."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
)
from enum import Enum
from pathlib import Path
from typing import Final

__all__ = ["Mismatch", "Parameters", "conform", "parameters_of", "takes_text"]

_LISTS: Final = (list, set, frozenset, Sequence, MutableSequence, Iterable, Collection)
_DICTS: Final = (dict, Mapping, MutableMapping)
_UNCHECKED: Final = (inspect.Parameter.empty, object, typing.Any)


class Mismatch(Exception):  # noqa: N818 - never leaves the package
    """A value does not fit; the message tells what would."""


class Parameters(typing.NamedTuple):
    """The settings that something takes: its keyword parameters.

    Attributes:
        annotations: by name; what cannot be resolved is not checked.
        required: those without a default.
        open: whether it takes any others too.
    """

    annotations: Mapping[str, object]
    required: frozenset[str]
    open: bool


def parameters_of(target: Callable[..., object]) -> Parameters:  # type: ignore[explicit-any]
    """Read the keyword parameters of a class or function."""
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    annotations: dict[str, object] = {}
    required: set[str] = set()
    open_ = False
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            open_ = True
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            annotations[parameter.name] = _resolve(parameter, function)
            if parameter.default is parameter.empty:
                required.add(parameter.name)
    return Parameters(annotations, frozenset(required), open_)


def conform(value: object, annotation: object) -> object:
    """The value as the annotation wants it: a Path of a str, a member of its value.

    Raises:
        Mismatch: if it does not fit.
    """
    annotation = getattr(annotation, "__supertype__", annotation)  # a NewType
    if annotation in _UNCHECKED:
        return value
    if annotation is None:
        annotation = type(None)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return conform(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _conform_union(value, arguments)
    if origin is typing.Literal:
        return _conform_literal(value, arguments)
    if (origin or annotation) is tuple:
        return _conform_tuple(value, arguments)
    if (origin or annotation) in _LISTS:
        return _conform_list(value, origin or annotation, arguments)
    if (origin or annotation) in _DICTS:
        return _conform_dict(value, arguments)
    return _conform_class(value, origin or annotation)


def takes_text(annotation: object) -> bool:
    """Whether a text, from the environment or a file, is the value as it stands."""
    options = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    options = tuple(one for one in options if one is not type(None))
    return bool(options) and all(one in (str, Path) for one in options)


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _resolve(parameter: inspect.Parameter, function: object) -> object:
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        hints = typing.get_type_hints(holder, globalns=getattr(function, "__globals__", {}))
    except Exception:  # noqa: BLE001 - a name imported for type checkers only
        return inspect.Parameter.empty
    return hints[parameter.name]


def _conform_union(value: object, options: Iterable[object]) -> object:
    expected: list[str] = []
    for option in options:
        try:
            return conform(value, option)
        except Mismatch as mismatch:
            expected.append(str(mismatch))
    raise Mismatch(" or ".join(dict.fromkeys(expected)))


def _conform_literal(value: object, options: Sequence[object]) -> object:
    for option in options:
        if type(value) is type(option) and value == option:
            return value
    raise Mismatch("one of " + ", ".join(repr(option) for option in options))


def _conform_list(value: object, container: object, arguments: Sequence[object]) -> object:
    """A list; the very object that was given, if nothing in it had to be converted."""
    given = _members(value)
    members = _each(given, arguments[0] if arguments else object)
    if container in (set, frozenset):
        return container(members)
    same = all(one is other for one, other in zip(given, members, strict=True))
    wanted = container if isinstance(container, type) else list
    return value if same and isinstance(value, wanted) else members


def _conform_tuple(value: object, arguments: Sequence[object]) -> object:
    members = _members(value)
    if len(arguments) == 2 and arguments[1] is ...:
        return tuple(_each(members, arguments[0]))
    if not arguments:
        return tuple(members)
    if len(members) != len(arguments):
        raise Mismatch(f"a list of {len(arguments)}")
    return tuple(conform(one, wanted) for one, wanted in zip(members, arguments, strict=True))


def _members(value: object) -> list[object]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise Mismatch("a list")
    return list(value)


def _each(members: Iterable[object], wanted: object) -> list[object]:
    try:
        return [conform(member, wanted) for member in members]
    except Mismatch as mismatch:
        raise Mismatch(f"a list, each member {mismatch}") from None


def _conform_dict(value: object, arguments: Sequence[object]) -> object:
    """A mapping; the very object that was given, if nothing in it had to be converted."""
    if not isinstance(value, Mapping):
        raise Mismatch("a table")
    of_key, of_value = arguments if len(arguments) == 2 else (object, object)
    try:
        members = {conform(key, of_key): conform(one, of_value) for key, one in value.items()}
    except Mismatch as mismatch:
        raise Mismatch(f"a table, each value {mismatch}") from None
    same = all(members.get(key) is one for key, one in value.items())
    return value if same and len(members) == len(value) else members


def _conform_class(value: object, wanted: object) -> object:
    if wanted is float and type(value) is int:
        return _to_float(value)
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if isinstance(wanted, type) and issubclass(wanted, Enum) and not isinstance(value, wanted):
        return _conform_enum(value, wanted)
    if wanted in (int, float) and isinstance(value, bool):
        raise Mismatch(f"{_called(wanted)}")
    try:
        fits = isinstance(value, wanted)  # type: ignore[arg-type]
    except TypeError:  # a Protocol that is not runtime_checkable, a TypeVar
        fits = not isinstance(value, str | int | float | list | dict)
    if not fits:
        raise Mismatch(_called(wanted))
    return value


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Mismatch("a number that a float can hold") from None


def _conform_enum(value: object, wanted: type[Enum]) -> object:
    for member in wanted.__members__.values():
        if type(member.value) is type(value) and member.value == value:
            return member
    options = ", ".join(repr(member.value) for member in wanted)
    raise Mismatch(f"one of {options}")


def _called(wanted: object) -> str:
    known = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "a string",
        Path: "a path",
        type(None): "nothing",
    }
    if isinstance(wanted, type):
        return known.get(wanted, f"a {wanted.__name__} (given to load_plugins(settings=...))")
    return f"a {wanted}"
