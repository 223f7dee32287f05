"""Build a plugin: make what its hooks bring, and check it.

What the entry-point groups for handlers, middleware, interceptors and event types name is wrapped
as hook implementations, so there is one path for all plugins.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import pluggy

from busway import hookspecs
from busway._discovery import busway_version
from busway._names import name_of
from busway.bus import EventBus
from busway.decorators import FunctionHandler, hold_registrations
from busway.events import is_event_types
from busway.exceptions import PluginLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from enum import StrEnum

    from importlib_metadata import EntryPoint

    from busway._discovery import Candidate
    from busway._importing import Imported
    from busway.handlers import Handler
    from busway.middleware import Interceptor, Middleware
    from busway.settings import Section

__all__ = ["Built", "build", "connect"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Built:
    """What a plugin brings, checked, and not registered yet.

    Attributes:
        extra: handlers that `on_event` made in passing, for the shared bus.
    """

    handlers: tuple[Handler, ...]
    middleware: tuple[Middleware, ...]
    interceptors: tuple[Interceptor, ...]
    extra: tuple[Handler, ...]


class _Wrapper:
    """An entry point of a group for one kind of thing, as a plugin with one hook."""

    def __init__(self, plugin: str, thing: object, section: Section) -> None:
        self.plugin = plugin
        self.thing = thing
        self.section = section

    def _make(self) -> object:
        if isinstance(self.thing, type):
            return self.thing(**self.section.arguments_for(self.thing))
        return self.thing

    def _refuse(self, wanted: str) -> PluginLoadError:
        return PluginLoadError(
            f"{name_of(self.thing)} is not {wanted}; see its entry point", plugin=self.plugin
        )


class _EventTypes(_Wrapper):
    @hookspecs.hookimpl
    def busway_event_types(self) -> Iterable[type[StrEnum]]:
        if not is_event_types(self.thing):
            raise self._refuse("a StrEnum subclass with members")
        return [cast("type[StrEnum]", self.thing)]


class _Handlers(_Wrapper):
    @hookspecs.hookimpl
    def busway_handlers(self) -> Iterable[Handler]:
        handler = getattr(self.thing, "handler", None)
        if not isinstance(handler, FunctionHandler):
            handler = self._make()
        if not (hasattr(handler, "handle") and hasattr(handler, "event_types")):
            raise self._refuse("an EventHandler subclass or an @on_event function")
        return [cast("Handler", handler)]


class _Middleware(_Wrapper):
    @hookspecs.hookimpl
    def busway_middleware(self) -> Iterable[Middleware]:
        made = self._make()
        if not callable(made):
            raise self._refuse("a middleware callable, or a class whose instances are")
        return [made]


class _Interceptors(_Wrapper):
    @hookspecs.hookimpl
    def busway_interceptors(self) -> Iterable[Interceptor]:
        made = self._make()
        if not callable(made):
            raise self._refuse("an interceptor, or a class whose instances are")
        return [made]


_WRAPPERS: Mapping[str, type[_Wrapper]] = {
    "busway.event_types": _EventTypes,
    "busway.handlers": _Handlers,
    "busway.interceptors": _Interceptors,
    "busway.middleware": _Middleware,
}


def connect(candidate: Candidate, imported: Imported, section: Section) -> pluggy.PluginManager:
    """The hooks of a plugin, and of no other.

    Raises:
        PluginSettingsError: if a setting is unknown to it.
        PluginLoadError: if it implements a hook that there is not, or with an argument that there
            is not.
    """
    section.check_names(_constructors(candidate, imported.things))
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        for point, thing in zip(candidate.entry_points, imported.things, strict=True):
            manager.register(_plugin(candidate.name, point, thing, section), point.group)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise _unfit(candidate.name, str(error)) from None
    return manager


def build(
    plugin: str,
    imported: Imported,
    manager: pluggy.PluginManager,
    settings: Mapping[str, object],
) -> Built:
    """Make what a plugin brings and check it.

    Raises:
        Exception: whatever its constructors or hooks raise.
        PluginSettingsError: if a setting is wrong.
        PluginLoadError: if what it brings is not what it should be.
    """
    hook = manager.hook
    with hold_registrations() as held:
        handlers = _flat(plugin, "busway_handlers", hook.busway_handlers(settings=settings))
        middleware = _flat(plugin, "busway_middleware", hook.busway_middleware(settings=settings))
        wraps = _flat(plugin, "busway_interceptors", hook.busway_interceptors(settings=settings))
    brought = set(map(id, handlers))
    extra = [one for one in (*imported.held, *held) if id(one) not in brought]
    if not (extra or any(map(manager.get_hookcallers, manager.get_plugins()))):
        raise PluginLoadError(
            "it brings nothing: no function of it is a hook under @busway.hookimpl", plugin=plugin
        )
    _rehearse((*handlers, *extra), middleware, wraps)
    return Built(tuple(handlers), tuple(middleware), tuple(wraps), tuple(extra))


def _rehearse(
    handlers: Iterable[Handler],
    middleware: Iterable[Middleware],
    interceptors: Iterable[Interceptor],
) -> None:
    """Register everything on a bus that nobody uses: what it refuses, it refuses here."""
    bus = EventBus()
    for interceptor in interceptors:
        bus.add_interceptor(interceptor)
    for handler in handlers:
        bus.subscribe(handler)
    for one in middleware:
        bus.add_middleware(one)


def _plugin(name: str, point: EntryPoint, thing: object, section: Section) -> object:
    """What to register with pluggy for an entry point."""
    if point.group in _WRAPPERS:
        return _WRAPPERS[point.group](name, thing, section)
    return thing(**section.arguments_for(thing)) if isinstance(thing, type) else thing


def _unfit(plugin: str, told: str) -> PluginLoadError:
    """An error of what pluggy tells of a hook, without the places in memory."""
    which, *why = told.splitlines()
    what = ": ".join(why) or which.partition(" in plugin ")[0]
    return PluginLoadError(
        f"{what}. This is plugin API {hookspecs.PLUGIN_API} of busway {busway_version()}: upgrade "
        "busway if the plugin was made for a newer one, else mend the plugin",
        plugin=plugin,
    )


def _constructors(candidate: Candidate, things: Sequence[object]) -> list[Callable[..., object]]:  # type: ignore[explicit-any]  # a constructor takes what it takes
    """Whose parameters the settings are: the classes'; a module of hooks takes any."""
    targets: list[Callable[..., object]] = []  # type: ignore[explicit-any]
    for point, thing in zip(candidate.entry_points, things, strict=True):
        if isinstance(thing, type):
            if point.group != "busway.event_types":
                targets.append(thing)
        elif point.group == "busway.plugins":
            targets.append(_any_settings)
    return targets


def _any_settings(**settings: object) -> None:
    """Stands for the hooks of a module, which check their settings themselves."""


def _flat(plugin: str, hook: str, returned: Iterable[Iterable[_T]]) -> list[_T]:
    things: list[_T] = []
    for one in reversed(list(returned)):  # pluggy calls the last registered first
        if not isinstance(one, list | tuple | set | frozenset | Iterator):
            raise PluginLoadError(f"{hook} must return a list, not {_shown(one)}", plugin=plugin)
        things.extend(one)
    return things


def _shown(returned: object) -> str:
    if inspect.iscoroutine(returned):
        returned.close()
        return "a coroutine: hooks are sync"
    return repr(returned)
