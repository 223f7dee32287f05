"""The exception tree, and what its errors carry."""

from __future__ import annotations

import inspect
import pickle

import pytest

import busway
from busway import exceptions

TREE = {
    "BuswayError": "Exception",
    "BusClosedError": "BuswayError",
    "BusOverloadedError": "BuswayError",
    "MiddlewareError": "BuswayError",
    "PublishDepthError": "BuswayError",
    "HandlerError": "BuswayError",
    "HandlerCancelledError": "HandlerError",
    "EventError": "BuswayError",
    "PluginError": "BuswayError",
    "PluginLoadError": "PluginError",
    "PluginSettingsError": "PluginError",
    "PluginConflictError": "PluginError",
    "SkipHandler": "BuswayError",
}


def test_the_tree_is_that_of_the_design():
    """Each has one parent, and there are no others; SkipHandler is raised, never reported."""
    assert {
        name: cls.__base__.__name__
        for name, cls in vars(exceptions).items()
        if inspect.isclass(cls) and issubclass(cls, BaseException)
    } == TREE


@pytest.mark.parametrize("name", TREE)
def test_all_are_exported(name):
    """From `busway` itself."""
    assert getattr(busway, name) is getattr(exceptions, name)


def test_an_event_error_carries_the_field():
    """And names it in its text."""
    error = busway.EventError("is naive", field="timestamp")
    assert (error.field, str(error)) == ("timestamp", "timestamp: is naive")


def test_an_event_error_may_have_no_field():
    """Two enums that claim one value are in no field."""
    error = busway.EventError("both claim it")
    assert (error.field, str(error)) == (None, "both claim it")


def test_a_middleware_error_carries_the_middleware():
    """The very callable."""
    assert busway.MiddlewareError("raised", middleware=len).middleware is len


@pytest.mark.parametrize("kind", ["PluginError", "PluginLoadError", "PluginConflictError"])
def test_a_plugin_error_carries_the_plugin(kind):
    """Its name."""
    assert getattr(busway, kind)("broken", plugin="audit").plugin == "audit"


def test_a_settings_error_carries_plugin_key_and_source():
    """And names all three in its text."""
    error = busway.PluginSettingsError("wrong", plugin="audit", key="path", source="busway.toml")
    assert (error.plugin, error.key, error.source) == ("audit", "path", "busway.toml")
    assert str(error) == "audit.path: wrong (read from busway.toml)"


def test_a_depth_error_carries_the_limit():
    """And names the type and the remedy."""
    error = busway.PublishDepthError("user.login", 32)
    assert error.max_depth == 32
    assert "user.login" in str(error)
    assert "publish_soon" in str(error)


def test_an_overload_error_carries_the_limit():
    """And names the setting."""
    error = busway.BusOverloadedError(7)
    assert error.max_pending == 7
    assert "max_pending" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        busway.PluginSettingsError("wrong", plugin="audit", key="path", source="busway.toml"),
        busway.PluginLoadError("broken", plugin="audit"),
        busway.MiddlewareError("raised", middleware=len),
        busway.EventError("is naive", field="timestamp"),
        busway.PublishDepthError("user.login", 32),
        busway.BusOverloadedError(7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_through_pickle(error):
    """From a worker process, say: the same text, the same attributes."""
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
