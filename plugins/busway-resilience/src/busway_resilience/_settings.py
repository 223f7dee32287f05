"""The checks of the settings; each error names the setting."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["count_of", "errors_of", "path_of", "seconds_of"]


def seconds_of(name: str, value: object, *, zero: bool = True) -> float:
    """A length of time in seconds; 0 for None."""
    if value is None and zero:
        return 0.0
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _unexpected(name, "a number of seconds", value)
    if not 0 <= value <= sys.float_info.max or not (zero or value):
        floor = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name}: a number of seconds, {floor}, is expected, not {value}")
    return float(value)


def count_of(name: str, value: object, *, least: int = 0) -> int:
    """A whole number; 0 for None, where it may be 0."""
    if value is None and not least:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unexpected(name, "an int", value)
    if value < least:
        raise ValueError(f"{name}: at least {least} is expected, not {value}")
    return value


def path_of(name: str, value: object) -> Path | None:
    """A file, absolute, `~` being the home directory; None for an empty text."""
    if value is None or value == "":
        return None
    if not isinstance(value, (str, Path)):
        raise _unexpected(name, "a path", value)
    if "\0" in str(value):
        raise ValueError(f"{name}: the path of a file is expected, not {value!r}")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # `~stranger`
        raise ValueError(f"{name}: {value} has no home directory") from error


def errors_of(name: str, value: object) -> tuple[type[Exception], ...]:
    """Classes of exceptions, each given itself or by its name: `OSError`, `httpx2.HTTPError`."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise _unexpected(name, "a list of exceptions or their names", value)
    return tuple(_error_of(name, one) for one in value)


def _error_of(name: str, value: object) -> type[Exception]:
    found: object = value
    if isinstance(value, str):
        try:
            found = pkgutil.resolve_name(value if "." in value else f"builtins.{value}")
        except Exception as error:
            raise _no_error(name, value) from error  # of a module that breaks, whatever it raises
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise _no_error(name, value)
    return found


def _no_error(name: str, value: object) -> ValueError:
    return ValueError(
        f"{name}: {value!r} is no exception that there is; say `OSError`, or module and name as in "
        "`httpx2.HTTPError`"
    )


def _unexpected(name: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name}: {wanted} is expected, not {type(value).__name__}")
