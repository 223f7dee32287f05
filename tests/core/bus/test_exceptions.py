"""The exception tree, and where it is found."""

from __future__ import annotations

import pytest

import busway

TREE = {
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
}


@pytest.mark.parametrize(("name", "parent"), TREE.items())
def test_exception_tree(name, parent):
    """Each exception is exported, and descends directly from its parent."""
    assert getattr(busway, name).__bases__ == (getattr(busway, parent),)


def test_root():
    """The root is a plain Exception."""
    assert busway.BuswayError.__bases__ == (Exception,)


PUBLIC = [
    *TREE,
    "ANY",
    "BuswayError",
    "Event",
    "EventBus",
    "EventHandler",
    "EventType",
    "HandlerOutcome",
    "PluginReport",
    "PublishResult",
    "SkipHandler",
    "hookimpl",
    "load_plugins",
    "on_event",
    "register_event_types",
]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_exported(name):
    """Every public name of the contract is exported by `busway`."""
    assert name in busway.__all__
    assert hasattr(busway, name)


def test_all_is_sorted_and_true():
    """`__all__` is sorted, and everything in it exists."""
    assert busway.__all__ == sorted(busway.__all__)
    assert [name for name in busway.__all__ if not hasattr(busway, name)] == []
