"""Busway's test kit: conformance tests for plugins, and pytest fixtures for applications."""

from busway_testing.captured import CapturedEvents
from busway_testing.event_types import EventTypesConformance
from busway_testing.fixtures import bus, captured_events, mute, settle, shared_bus
from busway_testing.handlers import HandlerConformance
from busway_testing.hooks import PluginConformance
from busway_testing.interceptors import InterceptorConformance
from busway_testing.middleware import MiddlewareConformance
from busway_testing.muting import Mute
from busway_testing.settling import Settle

__all__ = [
    "CapturedEvents",
    "EventTypesConformance",
    "HandlerConformance",
    "InterceptorConformance",
    "MiddlewareConformance",
    "Mute",
    "PluginConformance",
    "Settle",
    "bus",
    "captured_events",
    "mute",
    "settle",
    "shared_bus",
]
