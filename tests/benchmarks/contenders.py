"""Contenders: ways to bring an event to handlers, each opened, then asked to publish."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from importlib import import_module, metadata
from typing import Any, TypeAlias

__all__ = ["Contender", "Handler", "Publish", "absence", "contender", "version"]

Handler: TypeAlias = Callable[..., Any]
"""Called with an event; see `given`."""

Publish: TypeAlias = Callable[[], Any]
"""Brings one event to all handlers and waits until they have ended."""

Opening: TypeAlias = Callable[[Sequence[Handler]], AsyncIterator[Publish]]


def _none(_: object) -> Iterable[object]:
    return ()


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to bring an event to handlers.

    Attributes:
        name: what the tables call it.
        open: from handlers to a publish, for as long as it is entered.
        needs: the distribution it comes from, or "".
        module: what must import for it to work here; by default, as `needs`.
        awaited: whether its publish is awaited.
        waits: what tells the publisher that the handlers have ended.
        failures: the exceptions of handlers, in what its publish returns.
        remark: what a reader of its figures should know.
        less: what is taken off its time: the same, without that which is measured.
    """

    name: str
    open: Callable[[Sequence[Handler]], AbstractAsyncContextManager[Publish]]
    _: KW_ONLY
    needs: str = ""
    module: str = ""
    awaited: bool = True
    waits: str = "publish"
    failures: Callable[[Any], Iterable[object]] = _none
    remark: str = ""
    less: Contender | None = None


def contender(name: str, **about: Any) -> Callable[[Opening], Contender]:
    """Make an async generator function a contender: it sets up, yields a publish, cleans up."""
    return lambda opening: Contender(name, asynccontextmanager(opening), **about)


def absence(one: Contender) -> str:
    """Why a contender cannot take part on this interpreter, or ""."""
    if not one.needs:
        return ""
    try:
        metadata.version(one.needs)
        import_module(one.module or one.needs)
    except metadata.PackageNotFoundError:
        return "not installed"
    except Exception as error:  # a peer's import may fail in any way
        return f"does not import: {type(error).__name__}: {error}"
    return ""


def version(one: Contender) -> str:
    """The version of what a contender comes from, or ""."""
    return metadata.version(one.needs) if one.needs else ""
