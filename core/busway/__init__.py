"""Busway: an event bus for Python applications, made of plugins.

>>> import busway
>>> bus = busway.EventBus()
"""

import logging as _logging

from busway.bus import EventBus
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
from busway.hookspecs import hookimpl
from busway.middleware import Interceptor, Middleware
from busway.plugins import PluginReport, load_plugins
from busway.results import HandlerOutcome, PublishResult

__all__ = [
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
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "PluginReport",
    "PluginSettingsError",
    "PublishDepthError",
    "PublishResult",
    "SkipHandler",
    "hookimpl",
    "load_plugins",
    "on_event",
    "register_event_types",
]

_logging.getLogger("busway").addHandler(_logging.NullHandler())
