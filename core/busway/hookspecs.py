"""The hook specifications: what a plugin can implement under `@busway.hookimpl`.

A hook returns what the plugin brings, so that core can check all of it and then register all of
it, or nothing. Hooks are sync. An implementation may leave out arguments it has no use for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

    from busway.bus import EventBus
    from busway.events import Event
    from busway.handlers import Handler
    from busway.middleware import Interceptor, Middleware

__all__ = [
    "PLUGIN_API",
    "PROJECT",
    "busway_diagnose",
    "busway_event_types",
    "busway_event_unhandled",
    "busway_handler_failed",
    "busway_handlers",
    "busway_interceptors",
    "busway_middleware",
    "hookimpl",
]

PROJECT: Final = "busway"

PLUGIN_API: Final = "1.0"
"""The version of what plugins are made against: these hooks and the groups of entry points.

The second number grows when a hook, an argument or a group is added, which breaks no plugin; the
first when one is taken away, of which a minor release ahead has warned.
"""

_hookspec = pluggy.HookspecMarker(PROJECT)

hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a function or method as the implementation of the hook of its name."""


@_hookspec
def busway_event_types() -> Iterable[type[StrEnum]]:  # type: ignore[empty-body]  # a specification
    """Bring event types. Called first when the plugin is loaded.

    Returns:
        Enums, to be registered as `register_event_types` does.
    """


@_hookspec
def busway_handlers(settings: Mapping[str, object]) -> Iterable[Handler]:  # type: ignore[empty-body]
    """Bring handlers. Called when the plugin is loaded, after its event types are registered.

    Args:
        settings: the plugin's section, secrets resolved, without `enabled` and `distribution`.

    Returns:
        Handlers, to be subscribed in this order.
    """


@_hookspec
def busway_middleware(settings: Mapping[str, object]) -> Iterable[Middleware]:  # type: ignore[empty-body]
    """Bring middleware. Called when the plugin is loaded.

    Args:
        settings: as for `busway_handlers`.

    Returns:
        Middleware; its place in the chain is the application's to say.
    """


@_hookspec
def busway_interceptors(settings: Mapping[str, object]) -> Iterable[Interceptor]:  # type: ignore[empty-body]
    """Bring interceptors. Called when the plugin is loaded.

    Args:
        settings: as for `busway_handlers`.

    Returns:
        Interceptors, the outermost first.
    """


@_hookspec
def busway_diagnose() -> Iterable[str]:  # type: ignore[empty-body]
    """Look for what is wrong with the plugin's surroundings. Called when somebody asks.

    Returns:
        One sentence a finding, with the remedy; nothing if all is well.
    """


@_hookspec
def busway_handler_failed(bus: EventBus, event: Event, handler: Handler, error: Exception) -> None:
    """A handler failed, or cancelled itself. Called once a failure, before `publish` returns.

    Args:
        bus: the bus.
        event: what it was handling.
        handler: the handler, of whatever plugin or of the application.
        error: as in `PublishResult.errors`.
    """


@_hookspec
def busway_event_unhandled(bus: EventBus, event: Event) -> None:
    """An event was dispatched and no handler wanted it. Called before `publish` returns.

    Args:
        bus: the bus.
        event: the event.
    """
