"""Plugins that must be active: `require=`, and `[bus] require` in the file."""

from __future__ import annotations

import sys

import pytest

from busway import EventBus, EventError, PluginLoadError, PluginSettingsError, load_plugins
from busway.events import event_type

HANDLER = """
    from busway import EventHandler

    class Handler(EventHandler):
        event_types = ["user.login"]

        def handle(self, event):
            pass
"""
TYPES = """
    from enum import StrEnum

    class Handler(StrEnum):
        SHIPPED = "required.shipped"
"""


@pytest.mark.parametrize(
    "required",
    [
        "greeter",
        "greeter>=0.2",
        " greeter >= 0.2 , < 2 ",
        "greeter==1.0",
        "greeter~=1.0",
        "greeter==1.*",
    ],
)
def test_what_is_active_in_the_right_version_is_there(plugin, load, required):
    """By the plugin's name, and the version of its distribution."""
    plugin("greeter", HANDLER)
    assert load(require=[required])["greeter"].state == "active"


@pytest.mark.parametrize(
    "required", ["greeter>=1.1", "greeter<1", "greeter!=1.0", "greeter==1.0.1"]
)
def test_another_version_is_refused(plugin, load, bus, required):
    """The error names what is there and who requires what."""
    plugin("greeter", HANDLER)
    with pytest.raises(PluginLoadError) as caught:
        load(require=[required])
    told = f"plugin {required} is required (require=): dist-greeter 1.0 is active"
    assert (told, "greeter") == (str(caught.value), caught.value.plugin)
    assert bus.handlers == ()


def test_absence_is_fatal(plugin, load, bus):
    """Nothing is registered, of the plugins that are there either."""
    plugin("greeter", HANDLER)
    plugin("shop", TYPES, "event_types")
    with pytest.raises(PluginLoadError, match=r"plugin ghost is required .*: no installed"):
        load(require=["greeter", "ghost"])
    assert bus.handlers == ()
    with pytest.raises(EventError):
        event_type("required.shipped")


def test_the_reason_is_told(plugin, load):
    """Of one that is installed and not active."""
    plugin("broken", "import nowhere_to_be_found")
    with pytest.raises(PluginLoadError, match=r"it is failed: import: .*nowhere_to_be_found"):
        load(require=["broken"])
    assert load()["broken"].state == "failed"  # it costs others nothing where it is not required


def test_policy_is_not_overruled(plugin, load):
    """A plugin that is both required and denied is not imported."""
    plugin("greeter", HANDLER)
    with pytest.raises(PluginLoadError, match="it is blocked: denied by deny="):
        load(require=["greeter"], deny=["greeter"])
    assert "plugin_greeter" not in sys.modules


def test_all_that_are_missing_are_named(load):
    """The first is raised, the others are its notes."""
    with pytest.raises(PluginLoadError, match="plugin a is") as caught:
        load(require=["a", "b>1"])
    (note,) = caught.value.__notes__
    assert note.startswith("also: plugin b>1 is required")


def test_the_file_requires_too(plugin, load, configure):
    """Whoever operates the application may have it so; the source is told."""
    plugin("greeter", HANDLER)
    configure('[bus]\nrequire = ["greeter>=2"]\n')
    with pytest.raises(PluginLoadError, match=r"\(busway.toml: bus.require\): dist-greeter 1.0"):
        load()


def test_what_the_first_call_activated_counts(plugin, load):
    """Of two calls for one bus."""
    plugin("greeter", HANDLER)
    load()
    assert load(require=["greeter"])["greeter"].state == "active"


def test_an_error_can_be_mended_and_loading_repeated(plugin, load, bus):
    """What was refused for another's sake is not held against it."""
    plugin("greeter", HANDLER)
    with pytest.raises(PluginLoadError):
        load(require=["ghost"])
    assert load()["greeter"].provided == bus.handlers


@pytest.mark.parametrize(
    "text", ["", ">=1", "audit>>1", "audit 1.0", "audit>=x", "audit>=1,", "audit[x]>1 ;"]
)
def test_what_cannot_be_read_is_refused(text):
    """Never taken as met: it guards something."""
    with pytest.raises(ValueError, match="no plugin's name"):
        load_plugins(EventBus(), allow=[], require=[text])


def test_it_is_no_str():
    """`require="audit"` would require a, u, d, i and t."""
    with pytest.raises(TypeError, match="require= is a list"):
        load_plugins(EventBus(), allow=[], require="audit")


@pytest.mark.parametrize("value", ['"audit"', "[5]", '["a", "a"]', '["a>>1"]'])
def test_the_files_list_is_checked(configure, value):
    """It names the key."""
    configure(f"[bus]\nrequire = {value}\n")
    with pytest.raises(PluginSettingsError, match=r"bus.require"):
        load_plugins(EventBus(), allow=[])
