"""Policies: what is done for one handler, from settings and the attributes of its class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from busway_resilience._settings import count_of, errors_of, path_of, seconds_of

if TYPE_CHECKING:
    from pathlib import Path

    from busway.handlers import Handler

__all__ = ["Policy", "attributes_of", "changed"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done for a handler; the README tells what each means. 0 and None mean off."""

    timeout: float = 0.0
    retries: int = 0
    retry_on: tuple[type[Exception], ...] = (Exception,)
    retry_wait: float = 0.1
    retry_max_wait: float = 5.0
    retry_jitter: float = 1.0
    max_concurrency: int = 0
    breaker_failures: int = 0
    breaker_reset: float = 30.0
    dead_letter: Path | None = None


_NAMES = tuple(one.name for one in fields(Policy))


def changed(policy: Policy, where: str, values: object) -> Policy:
    """A policy with some of its values changed.

    Args:
        policy: what holds otherwise.
        where: what the names of settings are preceded by in errors.
        values: by name.

    Raises:
        TypeError, ValueError: if one is not as it should be; it is named.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{where.rstrip('.')}: a table is expected, not {type(values).__name__}")
    for name in values:
        if name not in _NAMES:
            raise ValueError(f"{where}{name}: unknown setting; there are {', '.join(_NAMES)}")
    return replace(policy, **{name: _checked(where, name, one) for name, one in values.items()})  # type: ignore[arg-type]  # each as its check returns it


def attributes_of(handler: Handler) -> dict[str, object]:
    """The settings that a handler's class has as plain attributes; its methods are none."""
    found = {name: inspect.getattr_static(type(handler), name, _ABSENT) for name in _NAMES}
    return {
        name: value
        for name, value in found.items()
        if value is not _ABSENT and not hasattr(value, "__get__")
    }


_ABSENT = object()


def _checked(where: str, name: str, value: object) -> object:
    named = f"{where}{name}"
    if name == "retry_on":
        return errors_of(named, value)
    if name == "dead_letter":
        return path_of(named, value)
    if name in ("retries", "max_concurrency", "breaker_failures"):
        return count_of(named, value)
    return seconds_of(named, value, zero=name != "breaker_reset")
