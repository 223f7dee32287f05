"""The checks of the settings; each error names the setting, none repeats a key."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["count_of", "flag_of", "key_of", "level_of", "names_of", "predicate_of", "text_of"]

_KEY_BYTES = 32


def names_of(name: str, value: object) -> list[str]:
    """Several texts; the members of a StrEnum are such."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise _unexpected(name, "a list of str", value)
    names = list(value)
    for one in names:
        if not isinstance(one, str) or not one:
            raise _unexpected(name, "a list of str that are not empty", one)
    return [str.__str__(one) for one in names]


def text_of(name: str, value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise _unexpected(name, "a str that is not empty", value)
    return value


def flag_of(name: str, value: object) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise _unexpected(name, "a bool", value)
    return value


def count_of(name: str, value: object, *, most: int) -> int:
    """A whole number from 1 on."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unexpected(name, "an int", value)
    if not 1 <= value <= most:
        raise ValueError(f"{name}: a number from 1 to {most} is expected, not {value}")
    return value


def level_of(name: str, value: object) -> int:
    """A level of logging, by its name."""
    known = logging.getLevelNamesMapping()
    if not isinstance(value, str):
        raise _unexpected(name, "the name of a level", value)
    if value.upper() not in known:
        raise ValueError(f"{name}: {value!r} is no level of logging; known are {', '.join(known)}")
    return known[value.upper()]


def predicate_of(name: str, value: object) -> Callable[[object], object] | None:
    """A callable of the event, if there is one; from a file there is none."""
    if value is not None and not callable(value):
        raise _unexpected(name, "a callable of the event (given in code)", value)
    if inspect.iscoroutinefunction(value):
        raise TypeError(f"{name}: a plain function is expected, since a middleware awaits nothing")
    return value


def key_of(name: str, value: object) -> bytes | None:
    """The bytes of a key, if there is one.

    Raises:
        ValueError: if it is neither 32 bytes nor 64 hex digits; the message does not repeat it.
    """
    if value is None:
        return None
    if not isinstance(value, (str, bytes)):
        raise _unexpected(name, "a key", value)
    try:
        key = bytes.fromhex(value) if isinstance(value, str) else value
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError(
            f"{name}: a key of 32 bytes is expected, or its 64 hex digits; "
            '`python -c "import secrets; print(secrets.token_hex(32))"` makes one'
        )
    return key


def _unexpected(name: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name}: {wanted} is expected, not {type(value).__name__}")
