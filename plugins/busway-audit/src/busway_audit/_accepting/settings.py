"""The checks of the settings; each error names the setting, none repeats a key."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from busway_audit._format.chain import parse_key

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["age_of", "choice_of", "flag_of", "key_of", "names_of", "number_of", "path_of"]


def path_of(value: object) -> Path:
    """The directory, absolute, `~` being that of the user."""
    if not isinstance(value, (str, Path)):
        raise _unexpected("path", "a str or a Path", value)
    return Path(value).expanduser().absolute()


def number_of(name: str, value: object, least: int = 1) -> int:
    """A whole number that is not too small."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unexpected(name, "an int", value)
    if value < least:
        raise ValueError(f"{name}: at least {least} is expected, not {value}")
    return value


def flag_of(name: str, value: object) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise _unexpected(name, "a bool", value)
    return value


def age_of(name: str, value: object) -> float | None:
    """Seconds, or none."""
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _unexpected(name, "a number of seconds or None", value)
    if not (isfinite(value) and value > 0):
        raise ValueError(f"{name}: more than 0 seconds are expected, not {value}")
    return float(value)


def choice_of(name: str, value: object, choices: Collection[str]) -> str:
    """One of a few texts."""
    if not isinstance(value, str):
        raise _unexpected(name, "a str", value)
    if value not in choices:
        raise ValueError(f"{name}: one of {', '.join(choices)} is expected, not {value!r}")
    return value


def names_of(name: str, value: object) -> list[str]:
    """Several texts; the members of a StrEnum are such."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise _unexpected(name, "a list of str", value)
    names = list(value)
    for one in names:
        if not isinstance(one, str) or not one:
            raise _unexpected(name, "a list of str that are not empty", one)
    return [str.__str__(one) for one in names]


def key_of(name: str, value: object) -> bytes | None:
    """The bytes of a key, if there is one."""
    if value is None:
        return None
    if not isinstance(value, (str, bytes)):
        raise _unexpected(name, "a key", value)
    try:
        return parse_key(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}; `busway audit keygen` makes one") from None


def _unexpected(name: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name}: {wanted} is expected, not {type(value).__name__}")
