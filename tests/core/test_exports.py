"""What `import busway` gives, and what it leaves alone."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from importlib.resources import files

import pytest

import busway

PUBLIC = {
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
}
MODULES = [name for _, name, _ in pkgutil.iter_modules(busway.__path__)]


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has imported after some code."""
    code += "; import json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_every_public_name_of_the_design_is_exported():
    """No less."""
    assert set() == PUBLIC - set(busway.__all__)


def test_all_is_sorted():
    """Without doubles."""
    assert sorted(set(busway.__all__)) == busway.__all__


def test_all_names_what_is_there():
    """Nothing that is public is missing from `__all__`, and nothing in it does not exist."""
    assert [name for name in busway.__all__ if not hasattr(busway, name)] == []
    exported = {
        name
        for name, thing in vars(busway).items()
        if not name.startswith("_") and not isinstance(thing, type(sys))
    }
    assert exported == set(busway.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_each_module_says_what_it_exports(module):
    """Every name in a module's sorted `__all__` exists in it."""
    imported = importlib.import_module(f"busway.{module}")
    assert sorted(set(imported.__all__)) == sorted(imported.__all__)
    assert [name for name in imported.__all__ if not hasattr(imported, name)] == []


def test_the_package_is_typed():
    """`py.typed` is beside it."""
    assert files("busway").joinpath("py.typed").is_file()


def test_import_reads_no_metadata_and_no_plugin():
    """`import busway` discovers nothing, and imports no plugin that is installed."""
    imported = modules_after("import busway; busway.EventBus.get_instance()")
    assert "busway.bus" in imported
    assert set() == {
        name
        for name in imported
        if name == "importlib_metadata" or name.partition(".")[0].startswith("busway_")
    }


def test_import_is_light():
    """What finds and loads plugins is imported when it is first asked for."""
    heavy = {"busway.plugins", "busway.settings", "pathlib", "tomllib"}
    before = modules_after("import asyncio, pluggy")
    assert set() == (modules_after("import busway") - before) & heavy
    assert heavy <= modules_after("from busway import load_plugins, PluginReport")


def test_no_name_is_made_up():
    """One that does not exist is an AttributeError."""
    with pytest.raises(AttributeError, match="no attribute 'load_plugin'"):
        busway.load_plugin  # noqa: B018 - it raises


def imports_of(source: str) -> set[str]:
    """The top-level names of all that a source imports, wherever it does."""
    nodes = list(ast.walk(ast.parse(source)))
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in named}


def test_core_runs_on_pluggy_and_importlib_metadata_alone():
    """No source in it imports any other library, or a plugin."""
    sources = [path for path in files("busway").iterdir() if path.name.endswith(".py")]
    imported = {name for path in sources for name in imports_of(path.read_text(encoding="utf-8"))}
    assert {"busway", "importlib_metadata", "pluggy"} == imported - sys.stdlib_module_names
