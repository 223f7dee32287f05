"""Busway: an event bus for Python applications, made of plugins.

>>> import busway
>>> bus = busway.EventBus()
"""

import logging as _logging
from typing import TYPE_CHECKING as _TYPE_CHECKING

from busway.bus import EventBus, current_event
from busway.decorators import on_event
from busway.events import Event, EventType, register_event_types
from busway.exceptions import (
    BusClosedError,
    BusOverloadedError,
    BuswayError,
    EventError,
    HandlerCancelledError,
    HandlerError,
    MiddlewareError,
    PluginConflictError,
    PluginError,
    PluginLoadError,
    PluginSettingsError,
    PublishDepthError,
    SkipHandler,
)
from busway.handlers import ANY, EventHandler
from busway.hookspecs import PLUGIN_API, hookimpl
from busway.middleware import Interceptor, Middleware
from busway.results import HandlerOutcome, PublishResult

if _TYPE_CHECKING:
    from busway.plugins import PluginReport, load_plugins

__all__ = [  # noqa: RUF022 - plainly sorted, as its test has it
    "ANY",
    "BusClosedError",
    "BusOverloadedError",
    "BuswayError",
    "Event",
    "EventBus",
    "EventError",
    "EventHandler",
    "EventType",
    "HandlerCancelledError",
    "HandlerError",
    "HandlerOutcome",
    "Interceptor",
    "Middleware",
    "MiddlewareError",
    "PLUGIN_API",
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "PluginReport",
    "PluginSettingsError",
    "PublishDepthError",
    "PublishResult",
    "SkipHandler",
    "current_event",
    "hookimpl",
    "load_plugins",
    "on_event",
    "register_event_types",
]

_logging.getLogger("busway").addHandler(_logging.NullHandler())


def __getattr__(name: str) -> object:
    """Import what loads plugins when it is first asked for: it is half of all that there is."""
    if name not in ("PluginReport", "load_plugins"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from busway import plugins  # the point of this function

    globals().update(PluginReport=plugins.PluginReport, load_plugins=plugins.load_plugins)
    return globals()[name]
