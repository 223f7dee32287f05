"""The plugin API: what may change, and how plugins made for an older or newer one are told."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pluggy
import pytest

import busway
from busway import Event, EventBus, hookspecs

_spec = pluggy.HookspecMarker("busway")

HOOKS = """
    from busway import hookimpl

    told = []

    @hookimpl
    def busway_event_unhandled(event):
        told.append(event)
"""


def test_busway_states_what_it_offers():
    """As two numbers."""
    first, second = busway.PLUGIN_API.split(".")
    assert (int(first), int(second)) >= (1, 0)


async def test_an_argument_more_breaks_nobody(plugin, load, bus, monkeypatch):
    """A hook may be called with arguments that its implementations do not know of."""

    def busway_event_unhandled(bus, event, reason): ...

    monkeypatch.setattr(hookspecs, "busway_event_unhandled", _spec(busway_event_unhandled))
    plugin("hooks", HOOKS, "plugins", "")
    load()
    observer = bus.observer
    observer._tell("busway_event_unhandled", event=Event("user.login"), reason="new")
    assert len(sys.modules["plugin_hooks"].told) == 1


def test_removing_an_argument_warns_a_release_ahead(plugin, load, monkeypatch):
    """Whoever takes it is told where; the plugin is active still."""

    def busway_event_unhandled(bus, event): ...

    soon = DeprecationWarning("busway_event_unhandled loses `event` in plugin API 2.0")
    deprecated = _spec(warn_on_impl_args={"event": soon})(busway_event_unhandled)
    monkeypatch.setattr(hookspecs, "busway_event_unhandled", deprecated)
    plugin("hooks", HOOKS, "plugins", "")
    with pytest.warns(DeprecationWarning, match="loses `event`") as warned:
        row = load()["hooks"]
    assert (row.state, row.reason) == ("active", "")
    assert warned[0].filename.endswith("plugin_hooks.py")


@pytest.mark.parametrize(
    ("hook", "culprit"),
    [
        ("busway_event_unhandled(evnt)", "evnt"),
        ("busway_events_from_mars()", "busway_events_from_mars"),
    ],
)
def test_what_this_api_lacks_is_named(plugin, load, hook, culprit):
    """With the API that this busway offers, and the remedy, in one line."""
    plugin(
        "hooks",
        f"from busway import hookimpl\n@hookimpl\ndef {hook}: ...\n",
        "plugins",
        "",
    )
    row = load()["hooks"]
    assert row.state == "failed"
    assert culprit in row.reason
    assert f"plugin API {busway.PLUGIN_API} of busway {version('busway')}" in row.reason
    assert "upgrade" in row.reason
    assert "\n" not in row.reason


def test_an_incompatible_one_is_named_with_both_versions(distribution, load):
    """What it requires, what is there, and the remedy; it is not imported."""
    distribution(
        "future",
        {"busway.handlers": {"future": "plugin_future:Handler"}},
        {"plugin_future": "raise AssertionError"},
        requires=["busway>=99"],
        version="3.0",
    )
    row = load()["future"]
    told = f"future 3.0 requires 'busway>=99', and this is busway {version('busway')}: upgrade one"
    assert row.state == "incompatible"
    assert row.reason.startswith(told)
    assert "plugin_future" not in sys.modules


def test_a_plugin_that_is_not_allowed_is_nowhere(distribution, bus):
    """Not even the package that its module is in."""
    package = distribution.path / "acme_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("Handler = None")
    distribution("acme", {"busway.handlers": {"acme": "acme_package.inner:Handler"}})
    busway.load_plugins(bus, allow=[])
    assert not [name for name in sys.modules if name.startswith("acme_package")]


def test_printing_on_import_is_noted(plugin, load, capsys):
    """It is printed all the same, and the plugin is active."""
    plugin("loud", "print('hello', 'world')\n" + _handler())
    row = load()["loud"]
    assert (row.state, row.notes) == ("active", (r"prints when it is imported: 'hello world\n'",))
    assert capsys.readouterr().out == "hello world\n"


def test_a_quiet_one_has_no_notes(plugin, load):
    """And what it kept of stdout is the stream itself in effect."""
    plugin("quiet", "import sys\nkept = sys.stdout\n" + _handler())
    assert load()["quiet"].notes == ()


def test_who_kept_stdout_writes_on(plugin, load, capsys):
    """A stream handler of logging, say, made when the plugin was imported."""
    plugin("keeps", "import sys\nkept = sys.stdout\n" + _handler())
    load()
    kept = sys.modules["plugin_keeps"].kept
    assert kept.write("later") == 5
    assert (kept.encoding, capsys.readouterr().out) == (sys.stdout.encoding, "later")


def test_loading_without_stdout(plugin, load, monkeypatch):
    """As in a process that was started with it closed."""
    plugin("quiet", _handler())
    monkeypatch.setattr(sys, "stdout", None)
    assert load()["quiet"].state == "active"


def test_the_time_it_took_is_told(plugin, load):
    """Of what was imported; what is blocked took none."""
    plugin("slow", "import time\ntime.sleep(0.01)\n" + _handler())
    assert load(deny=["slow"])["slow"].seconds == 0
    assert 0.01 <= load()["slow"].seconds < 10


async def test_refused_names_the_handler_and_the_reason(bus):
    """Until the bus closes."""

    class Broken(busway.EventHandler):
        event_types = ("user.login",)

        async def start(self, bus: EventBus) -> None:
            raise OSError("no such port")

        def handle(self, event: Event) -> None: ...

    broken = Broken()
    bus.subscribe(broken)
    async with bus:
        assert bus.refused == ((broken, "OSError: no such port"),)
    assert bus.refused == ()


def _handler() -> str:
    return (
        "from busway import EventHandler\n"
        "class Handler(EventHandler):\n"
        '    event_types = ["user.login"]\n'
        "    def handle(self, event): ...\n"
    )


@pytest.mark.parametrize(
    ("state", "settings", "told"),
    [
        ("failed", {"limit": 5}, {"limit": ("5", "load_plugins(settings=...)")}),
        ("disabled", {"enabled": False}, {}),
    ],
)
def test_the_settings_of_one_that_is_not_active_are_told(plugin, load, state, settings, told):
    """What was set, and where, is what one looks for first."""
    plugin("greeter", _handler())
    row = load(settings={"greeter": settings})["greeter"]
    assert row.state == state
    assert dict(row.settings) == told


def test_a_module_of_hooks_without_hooks_fails(plugin, load):
    """Somebody forgot @hookimpl: it would be active, and do nothing."""
    plugin("empty", "def busway_handlers(settings): return []\n", "plugins", "")
    row = load()["empty"]
    assert row.state == "failed"
    assert "under @busway.hookimpl" in row.reason


def test_a_module_with_an_on_event_function_brings_something(plugin, load):
    """Though it has no hook."""
    code = "import busway\n@busway.on_event('user.login')\ndef greet(event): ...\n"
    plugin("functions", code, "plugins", "")
    assert load()["functions"].state == "active"


async def test_a_start_that_exits_is_refused(bus):
    """As one that raises; the loop and the other handlers go on."""

    class Exits(busway.EventHandler):
        event_types = ("user.login",)

        def start(self, bus: EventBus) -> None:
            raise SystemExit(3)

        def handle(self, event: Event) -> None: ...

    exits = Exits()
    bus.subscribe(exits)
    async with bus:
        assert bus.refused == ((exits, "HandlerError: start() exits, with 3"),)
