"""`load_plugins`: discovery, policy, quarantine, report, on distributions that are there."""

from __future__ import annotations

import logging
import sys

import pytest
from importlib_metadata import entry_points

from busway import (
    Event,
    EventBus,
    EventError,
    PluginConflictError,
    PluginLoadError,
    PluginSettingsError,
    load_plugins,
)
from busway._discovery import GROUPS
from busway.events import event_types

HANDLER = """
    from busway import EventHandler

    class Handler(EventHandler):
        event_types = ["user.login"]

        def __init__(self, limit: int = 1) -> None:
            self.limit = limit
            self.seen = []

        def handle(self, event):
            self.seen.append(event)
"""
MIDDLEWARE = """
    def mark(event):
        return event.replace(source=event.source + "{}")
"""
TYPES = """
    from enum import StrEnum

    class OrderEvent(StrEnum):
        SHIPPED = "order.shipped"
"""
HOOKS = "from busway import hookimpl, EventHandler\n" + HANDLER.replace("\n    ", "\n")


def state_of(row) -> tuple[str, str]:
    return row.state.value, row.reason


def nothing_on(bus: EventBus) -> bool:
    return bus.handlers == bus.middleware == bus.interceptors == ()


# -- what the groups bring -----------------------------------------------------------------------


async def test_a_handler_class_is_made_and_subscribed(plugin, load, bus):
    """The group `busway.handlers`."""
    plugin("greeter", HANDLER)
    row = load()["greeter"]
    event = Event("user.login")
    await bus.publish(event)
    assert state_of(row) == ("active", "")
    assert [event] == row.provided[0].seen


async def test_provided_is_the_very_instance(plugin, load, bus):
    """An application can call `flush()` on its audit handler."""
    plugin("greeter", HANDLER)
    (handler,) = load()["greeter"].provided
    assert bus.handlers == (handler,)
    assert bus.handlers[0] is handler


async def test_an_on_event_function_is_a_handler(plugin, load, bus):
    """Named by an entry point, it is subscribed to the bus that is loaded, and to no other."""
    plugin(
        "greeter",
        """
        from busway import on_event
        seen = []

        @on_event("user.login")
        async def greet(event):
            seen.append(event)
        """,
        attr="greet",
    )
    report, event = load(), Event("user.login")
    await bus.publish(event)
    assert [event] == sys.modules["plugin_greeter"].seen
    assert (sys.modules["plugin_greeter"].greet.handler,) == report["greeter"].provided
    assert EventBus.get_instance().handlers == ()


@pytest.mark.parametrize("attr", ["mark", "Mark", "marker"])
async def test_middleware_is_a_callable_or_a_class(plugin, load, bus, attr):
    """The group `busway.middleware`: a function, a class whose instances are, or an instance."""
    plugin(
        "marker",
        """
        def mark(event):
            return event.replace(source="marked")

        class Mark:
            def __call__(self, event):
                return mark(event)

        marker = Mark()
        """,
        "middleware",
        attr,
    )
    row = load()["marker"]
    result = await bus.publish(Event("user.login"))
    assert result.event.source == "marked"
    assert bus.middleware == row.provided


@pytest.mark.parametrize("attr", ["wrap", "Wrap"])
async def test_an_interceptor_is_a_callable_or_a_class(plugin, load, bus, attr):
    """The group `busway.interceptors`."""
    plugin("greeter", HANDLER)
    plugin(
        "wrapper",
        """
        def wrap(handler, call_next):
            async def call(event):
                await call_next(event.replace(source="wrapped"))
            return call

        class Wrap:
            def __call__(self, handler, call_next):
                return wrap(handler, call_next)
        """,
        "interceptors",
        attr,
    )
    report = load()
    await bus.publish(Event("user.login"))
    assert [event.source for event in report["greeter"].provided[0].seen] == ["wrapped"]
    assert bus.interceptors == report["wrapper"].provided


def test_event_types_are_registered(plugin, load):
    """The group `busway.event_types`: publishable and readable at once."""
    plugin("orders", TYPES, "event_types", "OrderEvent")
    row = load()["orders"]
    assert Event("order.shipped").type is row.provided[0].SHIPPED


HOOK_MODULE = """
    from enum import StrEnum
    from busway import hookimpl

    class Bare:
        event_types = ["hook.heard"]
        def handle(self, event): ...

    class HookEvent(StrEnum):
        HEARD = "hook.heard"

    def passes(event):
        return event

    def wraps(handler, call_next):
        return call_next

    @hookimpl
    def busway_event_types():
        return [HookEvent]

    @hookimpl
    def busway_handlers(settings):
        return [Bare()]

    @hookimpl
    def busway_middleware(settings):
        return [passes]

    @hookimpl
    def busway_interceptors(settings):
        return [wraps]
"""


def test_a_module_of_hooks_brings_all_kinds(plugin, load, bus):
    """The group `busway.plugins`."""
    plugin("hooks", HOOK_MODULE, "plugins", "")
    row = load()["hooks"]
    module = sys.modules["plugin_hooks"]
    assert state_of(row) == ("active", "")
    assert [type(one).__name__ for one in bus.handlers] == ["Bare"]
    assert ((module.passes,), (module.wraps,)) == (bus.middleware, bus.interceptors)
    assert {bus.handlers[0], module.passes, module.wraps, module.HookEvent} == set(row.provided)
    assert Event("hook.heard").type is module.HookEvent.HEARD


@pytest.mark.parametrize("attr", ["Hooks", "hooks"])
def test_hooks_may_be_those_of_an_object(plugin, load, bus, attr):
    """A class, made with its settings, or an instance."""
    plugin(
        "hooks",
        HOOKS
        + """
class Hooks:
    def __init__(self, limit: int = 1):
        self.limit = limit

    @hookimpl
    def busway_handlers(self):
        return [Handler(self.limit)]

hooks = Hooks()
""",
        "plugins",
        attr,
    )
    settings = {"hooks": {"limit": 5}} if attr == "Hooks" else {}
    row = load(settings=settings)["hooks"]
    assert state_of(row) == ("active", "")
    assert [5 if settings else 1] == [one.limit for one in bus.handlers]


def test_a_hook_may_leave_out_arguments(plugin, load, bus):
    """An implementation asks for what it uses."""
    plugin(
        "hooks",
        HOOKS + "\n@hookimpl\ndef busway_handlers():\n    return [Handler()]\n",
        "plugins",
        "",
    )
    assert state_of(load()["hooks"]) == ("active", "")
    assert len(bus.handlers) == 1


def test_hooks_are_given_their_settings(plugin, load, bus, configure, monkeypatch):
    """The plugin's section, secrets resolved, without `enabled` and `distribution`."""
    monkeypatch.setenv("TOKEN", "s3cret")
    configure(
        '[plugins.hooks]\nenabled = true\ndistribution = "dist-hooks"\n'
        'limit = 5\ntoken = {env = "TOKEN"}\n'
    )
    plugin(
        "hooks",
        "from busway import hookimpl\ngiven = []\n@hookimpl\ndef busway_handlers(settings):\n"
        "    given.append(dict(settings))\n    return []\n",
        "plugins",
        "",
    )
    assert state_of(load()["hooks"]) == ("active", "")
    assert sys.modules["plugin_hooks"].given == [{"limit": 5, "token": "s3cret"}]


def test_one_name_in_several_groups_is_one_plugin(distribution, load, bus):
    """One row, of both kinds; what it brings is registered together."""
    distribution(
        "shop",
        {
            "busway.event_types": {"orders": "shop:OrderEvent"},
            "busway.handlers": {"orders": "shop:Handler"},
        },
        {"shop": TYPES + HANDLER.replace("user.login", "order.shipped")},
    )
    (row,) = load()
    assert (row.name, row.kind, row.state) == ("orders", "event_types, handlers", "active")
    assert len(bus.handlers) == 1


def test_handlers_may_want_another_plugins_types(plugin, load, bus):
    """Event types are registered first, of all plugins, whatever their names."""
    plugin("a-first", HANDLER.replace("user.login", "order.shipped"))
    plugin("z-last", TYPES, "event_types", "OrderEvent")
    assert [row.state for row in load()] == ["active", "active"]
    assert len(bus.handlers) == 1


def test_commands_are_not_cores_business(distribution, load):
    """`busway.commands` is read by busway-cli alone: no row, no import."""
    distribution("tool", {"busway.commands": {"tool": "plugin_tool:command"}}, {"plugin_tool": ""})
    assert "tool" not in load()
    assert "plugin_tool" not in sys.modules


# -- the report ----------------------------------------------------------------------------------


def test_a_row_tells_where_a_plugin_comes_from(distribution, load):
    """Name, kind, distribution and version."""
    distribution(
        "Shop.Greeter",
        {"busway.handlers": {"greeter": "greeter:Handler"}},
        {"greeter": HANDLER},
        version="2.5",
    )
    row = load()["greeter"]
    assert (
        row.name,
        row.kind,
        row.distribution,
        row.version,
    ) == ("greeter", "handlers", "shop-greeter", "2.5")


def test_rows_are_sorted(plugin, load):
    """By group, name and distribution, not by what the file system says."""
    plugin("b", HANDLER)
    plugin("c", MIDDLEWARE, "middleware", "mark")
    plugin("a", HANDLER)
    plugin("d", TYPES, "event_types", "OrderEvent")
    report = load()
    assert [row.name for row in report] == ["d", "a", "b", "c"]
    assert len(report) == 4


def test_a_plugin_that_was_not_discovered_is_a_key_error(load):
    """That names it."""
    report = load()
    assert "ghost" not in report
    with pytest.raises(KeyError, match="ghost"):
        report["ghost"]


def test_a_row_shows_settings_and_their_source(plugin, load, configure, monkeypatch):
    """Of what is active."""
    configure("[plugins.greeter]\nlimit = 5\n")
    plugin("greeter", HANDLER)
    assert dict(load()["greeter"].settings) == {"limit": ("5", "busway.toml")}


def test_a_report_shows_the_states(plugin, load):
    """In its repr."""
    plugin("a", HANDLER)
    plugin("b", "")
    assert repr(load()) == "<PluginReport a=active b=failed>"


def test_the_bus_is_the_shared_one_unless_given(plugin, load):
    """`load_plugins()` loads on `EventBus.get_instance()`."""
    plugin("greeter", HANDLER)
    (handler,) = load(bus=None)["greeter"].provided
    assert (handler,) == EventBus.get_instance().handlers


def test_a_private_bus_is_alone(plugin, load, bus):
    """Nothing reaches the shared one."""
    plugin("greeter", HANDLER)
    load()
    assert len(bus.handlers) == 1
    assert nothing_on(EventBus.get_instance())


# -- settings ------------------------------------------------------------------------------------


def test_the_constructors_parameters_are_the_settings(plugin, load, configure):
    """`[plugins.greeter] limit = 5`."""
    configure("[plugins.greeter]\nlimit = 5\n")
    plugin("greeter", HANDLER)
    assert load()["greeter"].provided[0].limit == 5


def test_live_objects_are_given_as_they_are(plugin, load):
    """`load_plugins(settings={"greeter": {"limit": …}})`."""
    plugin("greeter", HANDLER.replace("limit: int = 1", "limit: object"))
    client = object()
    row = load(settings={"greeter": {"limit": client}})["greeter"]
    assert row.provided[0].limit is client
    assert dict(row.settings) == {"limit": ("a object", "load_plugins(settings=...)")}


def test_settings_may_be_nested(plugin, load, configure):
    """Tables and lists of them."""
    configure("[[plugins.greeter.limit]]\na = 1\n[[plugins.greeter.limit]]\nb = 2\n")
    plugin("greeter", HANDLER.replace("limit: int = 1", "limit: list[dict[str, int]]"))
    assert load()["greeter"].provided[0].limit == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("toml", "key"), [("limt = 5", "limt"), ('limit = "five"', "limit"), ("enabled = 5", "enabled")]
)
def test_a_wrong_setting_is_its_plugins_failure(plugin, load, configure, toml, key):
    """The reason names plugin, key and source; the error is at hand; the rest runs."""
    configure(f"[plugins.greeter]\n{toml}\n")
    plugin("greeter", HANDLER)
    plugin("other", HANDLER)
    report = load()
    row = report["greeter"]
    assert (row.state, report["other"].state) == ("failed", "active")
    assert f"greeter.{key}: " in row.reason
    assert "busway.toml" in row.reason
    assert ("greeter", key, "busway.toml") == (row.error.plugin, row.error.key, row.error.source)
    assert isinstance(row.error, PluginSettingsError)


def test_a_function_takes_no_settings(plugin, load, configure):
    """One given to it is unknown."""
    configure("[plugins.marker]\ncolour = 'red'\n")
    plugin("marker", MIDDLEWARE, "middleware", "mark")
    row = load()["marker"]
    assert row.state == "failed"
    assert "marker.colour: unknown setting" in row.reason


def test_a_file_that_cannot_be_read_is_an_error_of_the_application(plugin, load, bus, configure):
    """Not of a plugin: nothing is loaded by half."""
    configure("[plugins")
    plugin("greeter", HANDLER)
    with pytest.raises(PluginSettingsError, match=r"busway\.toml"):
        load()
    assert nothing_on(bus)


SECRETIVE = """
    from dataclasses import dataclass
    from busway import EventHandler, PluginSettingsError

    def fail(token):
        {failing}

    @dataclass(eq=False)
    class Handler(EventHandler):
        token: str
        event_types = ["user.login"]

        def __post_init__(self):
            fail(self.token)

        def handle(self, event): ...
"""


@pytest.mark.parametrize(
    "failing",
    [
        'raise ValueError(f"cannot log in with {token}")',
        'raise ValueError(f"cannot log in with {token!r}")',
        "raise KeyError(token)",
        'raise ValueError("no") from KeyError(token)',
        'raise ExceptionGroup("no", [ValueError(token)])',
        "int(token)",
    ],
)
@pytest.mark.parametrize(
    "secret", ["s3cret-w0rd", "s3cret-w0rd\\with\\backslash", "s3cret-w0rd\nlines"]
)
def test_no_report_tells_a_secret(plugin, load, configure, monkeypatch, caplog, failing, secret):
    """Though the constructor's error holds it: not reason, traceback, repr, error or log."""
    monkeypatch.setenv("TOKEN", secret)
    configure('[plugins.greeter]\ntoken = {env = "TOKEN"}\n')
    plugin("greeter", SECRETIVE.format(failing=failing))
    report = load()
    row = report["greeter"]
    assert row.state == "failed"
    assert "plugin_greeter.py" in row.traceback
    told = [row.reason, row.traceback, repr(row), repr(report), str(row.error), caplog.text]
    assert [text for text in told if "s3cret-w0rd" in text] == []


def test_no_repr_of_an_active_row_tells_a_secret(plugin, load, configure, monkeypatch):
    """Though the handler is a dataclass, whose own repr does."""
    monkeypatch.setenv("TOKEN", "s3cret-w0rd")
    configure('[plugins.greeter]\ntoken = {env = "TOKEN"}\n')
    plugin("greeter", SECRETIVE.format(failing="pass"))
    report = load()
    assert report["greeter"].provided[0].token == "s3cret-w0rd"
    assert "s3cret-w0rd" not in repr(report["greeter"]) + repr(report) + str(
        report["greeter"].settings
    )


def test_no_strict_error_tells_a_secret(plugin, load, configure, monkeypatch):
    """Neither where the plugin raises a PluginSettingsError of its own."""
    monkeypatch.setenv("TOKEN", "s3cret-w0rd")
    configure('[plugins.greeter]\ntoken = {env = "TOKEN"}\n')
    failing = 'raise PluginSettingsError(token, plugin="greeter", key="token", source="here")'
    plugin("greeter", SECRETIVE.format(failing=failing))
    with pytest.raises(PluginSettingsError) as caught:
        load(strict=True)
    assert "s3cret-w0rd" not in str(caught.value)


# -- failures ------------------------------------------------------------------------------------

BROKEN = {
    "import raises": ("raise ValueError('boom')", "handlers", "Handler", "ValueError: boom"),
    "import exits": ("raise SystemExit(3)", "handlers", "Handler", "SystemExit: 3"),
    "import of what is missing": (
        "import no_such_library",
        "handlers",
        "Handler",
        "no_such_library",
    ),
    "syntax error": ("def", "handlers", "Handler", "SyntaxError"),
    "no such attribute": ("", "handlers", "Handler", "Handler"),
    "constructor raises": (
        HANDLER.replace("self.limit = limit", "raise ValueError('boom')"),
        "handlers",
        "Handler",
        "build: ValueError: boom",
    ),
    "constructor exits": (
        HANDLER.replace("self.limit = limit", "raise SystemExit(3)"),
        "handlers",
        "Handler",
        "SystemExit: 3",
    ),
    "an abstract class": (
        "from busway import EventHandler\nclass Handler(EventHandler): ...",
        "handlers",
        "Handler",
        "abstract",
    ),
    "no handler": ("def Handler(event): ...", "handlers", "Handler", "is not an EventHandler"),
    "a number": ("Handler = 5", "handlers", "Handler", "is not an EventHandler"),
    "an unknown type": (
        HANDLER.replace("user.login", "order.shipped"),
        "handlers",
        "Handler",
        "order.shipped",
    ),
    "no types": (HANDLER.replace('["user.login"]', "[]"), "handlers", "Handler", "event_types"),
    "no middleware": ("Handler = 5", "middleware", "Handler", "is not a middleware"),
    "a class of no middleware": (
        "class Handler: ...",
        "middleware",
        "Handler",
        "is not a middleware",
    ),
    "no interceptor": ("Handler = 5", "interceptors", "Handler", "is not an interceptor"),
    "no enum": ("class Handler: ...", "event_types", "Handler", "StrEnum"),
    "an enum that claims what is taken": (
        "from enum import StrEnum\nclass Handler(StrEnum):\n    A = 'user.login'",
        "event_types",
        "Handler",
        "'user.login'",
    ),
    "a misspelled hook": (
        "from busway import hookimpl\n@hookimpl\ndef busway_handler(): return []",
        "plugins",
        "",
        "busway_handler",
    ),
    "a hook with an unknown argument": (
        "from busway import hookimpl\n@hookimpl\ndef busway_handlers(setting): return []",
        "plugins",
        "",
        "setting",
    ),
    "a hook that raises": (
        "from busway import hookimpl\n@hookimpl\ndef busway_handlers(): raise ValueError('boom')",
        "plugins",
        "",
        "ValueError: boom",
    ),
    "a hook that returns no list": (
        "from busway import hookimpl\n@hookimpl\ndef busway_middleware(): return 5",
        "plugins",
        "",
        "busway_middleware must return a list",
    ),
    "a hook whose handler is none": (
        "from busway import hookimpl\n@hookimpl\ndef busway_handlers(): return [5]",
        "plugins",
        "",
        "event_types",
    ),
}


@pytest.mark.parametrize(("source", "group", "attr", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_reported_and_the_rest_runs(
    plugin, load, bus, caplog, source, group, attr, reason
):
    """State, reason, traceback and error are its row's; one line tells of it in the log."""
    plugin("broken", source, group, attr)
    plugin("whole", HANDLER)
    report = load()
    row = report["broken"]
    assert row.state == "failed"
    assert reason in row.reason
    assert "Traceback" in row.traceback
    assert (row.error.plugin, row.provided) == ("broken", ())
    assert isinstance(row.error, PluginLoadError)
    assert report["whole"].provided == bus.handlers
    assert (
        sum("broken" in one.getMessage() for one in caplog.records if one.levelno == logging.ERROR)
        == 1
    )


@pytest.mark.parametrize("value", ["no_such_module:Handler", "not a module!", "plugin_x"])
def test_an_entry_point_that_leads_nowhere_is_reported(distribution, load, value):
    """A missing module, a text that is no reference, a module that is no handler."""
    distribution("broken", {"busway.handlers": {"broken": value}}, {"plugin_x": ""})
    row = load()["broken"]
    assert row.state == "failed"
    assert row.reason
    assert "Traceback" in row.traceback


def test_ctrl_c_is_not_a_plugins_failure(plugin, load):
    """KeyboardInterrupt is the user's."""
    plugin("broken", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load()


METADATA = {
    "no METADATA": (None, "[busway.handlers]\nbad = bad:X"),
    "no name": ("Metadata-Version: 2.1\nVersion: 1.0", "[busway.handlers]\nbad = bad:X"),
    "no version": ("Metadata-Version: 2.1\nName: bad", "[busway.handlers]\nbad = bad:X"),
    "a line that is no entry point": (
        "Metadata-Version: 2.1\nName: bad\nVersion: 1.0",
        "[busway.handlers]\nbad",
    ),
    "entry points that are no text": (
        "Metadata-Version: 2.1\nName: bad\nVersion: 1.0",
        b"[busway.handlers]\nbad = \xff\xfe:X",
    ),
}


@pytest.mark.parametrize(("metadata", "entry_points"), METADATA.values(), ids=METADATA)
def test_broken_metadata_stops_no_other_plugin(
    distribution, plugin, load, bus, metadata, entry_points
):
    """What a half-removed or hand-made distribution leaves behind."""
    distribution.write_metadata("bad", metadata, entry_points)
    plugin("whole", HANDLER)
    report = load()
    assert state_of(report["whole"]) == ("active", "")
    assert len(bus.handlers) == 1


def test_what_a_failing_import_registered_is_taken_back(plugin, load, bus):
    """Neither its `on_event` handlers nor its event types are left behind."""
    before = dict(event_types())
    plugin(
        "broken",
        TYPES
        + """
    from busway import on_event, register_event_types
    register_event_types(OrderEvent)

    @on_event(OrderEvent.SHIPPED)
    def ship(event): ...

    raise ValueError("boom")
""",
    )
    assert load()["broken"].state == "failed"
    assert before == dict(event_types())
    assert nothing_on(EventBus.get_instance())
    assert nothing_on(bus)


def test_types_registered_by_a_whole_import_stay(plugin, load):
    """`register_event_types` in a plugin's module is as good as the entry point."""
    plugin(
        "orders",
        TYPES
        + "    from busway import register_event_types\n    register_event_types(OrderEvent)\n"
        + HANDLER.replace("user.login", "order.shipped"),
    )
    assert state_of(load()["orders"]) == ("active", "")
    assert Event("order.shipped").type == "order.shipped"


def test_on_event_in_passing_is_subscribed_to_the_shared_bus(plugin, load):
    """What no entry point names is registered as `on_event` always does."""
    plugin(
        "greeter",
        "from busway import on_event\n@on_event('user.login')\ndef f(e): ...\n"
        + HANDLER.replace("\n    ", "\n"),
    )
    load()
    assert (sys.modules["plugin_greeter"].f.handler,) == EventBus.get_instance().handlers


ALL_OR_NOTHING = (
    HOOKS
    + """
from enum import StrEnum
from busway import on_event

class HookEvent(StrEnum):
    HEARD = "hook.heard"

@hookimpl
def busway_event_types():
    return [HookEvent]

@hookimpl
def busway_handlers():
    return [Handler()]

@hookimpl
def busway_middleware():
    return [lambda event: event]

@hookimpl
def busway_interceptors():
    {last}
"""
)


@pytest.mark.parametrize(
    "last", ["raise ValueError", "return [5]", "return [lambda handler, call: 5]"]
)
def test_a_plugin_is_registered_whole_or_not_at_all(plugin, load, bus, last):
    """The last thing it brings is wrong: nothing of the others is registered."""
    before = dict(event_types())
    plugin("hooks", ALL_OR_NOTHING.format(last=last), "plugins", "")
    assert load()["hooks"].state == "failed"
    assert nothing_on(bus)
    assert before == dict(event_types())


def test_what_it_refuses_on_the_bus_itself_is_undone(plugin, load, bus):
    """An interceptor that works alone and fails on another's handler."""
    plugin("greeter", HANDLER)
    picky = "    if 'plugin_greeter' in handler.name: raise ValueError('not that one')\n"
    last = "return [picky]\ndef picky(handler, call):\n" + picky + "    return call\n"
    plugin("hooks", ALL_OR_NOTHING.format(last=last), "plugins", "")
    report = load()
    assert (report["greeter"].state, report["hooks"].state) == ("active", "failed")
    assert "not that one" in report["hooks"].reason
    assert (report["greeter"].provided, (), ()) == (bus.handlers, bus.middleware, bus.interceptors)


def test_what_a_failing_hook_registered_is_taken_back(plugin, load):
    """`on_event` inside a hook is held back as in an import."""
    last = "\n    @on_event('user.login')\n    def f(event): ...\n    raise ValueError"
    plugin("hooks", ALL_OR_NOTHING.format(last=last), "plugins", "")
    assert load()["hooks"].state == "failed"
    assert nothing_on(EventBus.get_instance())


# -- states --------------------------------------------------------------------------------------


def test_a_plugin_that_is_disabled_is_not_imported(plugin, load, configure):
    """`enabled = false` in its settings."""
    configure("[plugins.greeter]\nenabled = false\n")
    plugin("greeter", "raise ValueError('imported')")
    row = load()["greeter"]
    assert state_of(row) == ("disabled", "its settings say enabled = false")
    assert "plugin_greeter" not in sys.modules


def test_a_class_may_be_off_by_default(plugin, load, bus):
    """`enabled_by_default = False`; the reason tells how to switch it on."""
    plugin("greeter", HANDLER + "\n        enabled_by_default = False\n")
    row = load()["greeter"]
    assert row.state == "disabled"
    assert "[plugins.greeter] enabled = true" in row.reason
    assert nothing_on(bus)


def test_what_is_off_by_default_can_be_switched_on(plugin, load, bus, configure):
    """By its settings."""
    configure("[plugins.greeter]\nenabled = true\n")
    plugin("greeter", HANDLER + "\n        enabled_by_default = False\n")
    assert state_of(load()["greeter"]) == ("active", "")
    assert len(bus.handlers) == 1


@pytest.mark.parametrize("group", ["handlers", "middleware", "interceptors", "plugins"])
def test_what_is_off_by_default_needs_no_settings(plugin, load, group):
    """It is not made: a required setting that nobody gave is no failure of it."""
    plugin(
        "off",
        """
        class Off:
            enabled_by_default = False
            event_types = ["user.login"]
            def __init__(self, url: str): raise AssertionError("made")
            def handle(self, event): ...
        """,
        group,
        "Off",
    )
    row = load()["off"]
    assert row.state == "disabled"


def test_what_a_disabled_plugin_did_in_its_import_is_taken_back(plugin, load):
    """Off is off."""
    before = dict(event_types())
    plugin(
        "greeter",
        TYPES
        + "    from busway import on_event, register_event_types\n"
        + "    register_event_types(OrderEvent)\n"
        + "    @on_event('user.login')\n    def f(event): ...\n"
        + HANDLER
        + "\n        enabled_by_default = False\n",
    )
    assert load()["greeter"].state == "disabled"
    assert before == dict(event_types())
    assert nothing_on(EventBus.get_instance())


@pytest.mark.parametrize(
    ("options", "environment", "reason"),
    [
        ({"allow": ["other"]}, {}, "not in allow="),
        ({"allow": []}, {}, "not in allow="),
        ({"allow": None, "deny": ["greeter"]}, {}, "denied by deny="),
        ({"deny": ["greeter"]}, {}, "denied by deny="),
        ({}, {"BUSWAY_PLUGINS": "other, another"}, "not in BUSWAY_PLUGINS"),
        ({}, {"BUSWAY_PLUGINS": ""}, "not in BUSWAY_PLUGINS"),
        ({}, {"BUSWAY_DISABLE": "other, greeter"}, "denied by BUSWAY_DISABLE"),
    ],
)
def test_policy_is_applied_before_the_import(
    plugin, load, bus, monkeypatch, options, environment, reason
):
    """By arguments and by environment; what is blocked is in no `sys.modules`."""
    shipped = {point.name for group in GROUPS for point in entry_points(group=group)}
    others = {"BUSWAY_DISABLE": ",".join(shipped)}  # for where `allow` is none
    for name, text in {**others, **environment}.items():
        monkeypatch.setenv(name, text)
    plugin("greeter", HANDLER)
    assert ("blocked", reason) == state_of(load(**options)["greeter"])
    assert "plugin_greeter" not in sys.modules
    assert nothing_on(bus)


def test_an_empty_busway_plugins_means_none(plugin, bus, monkeypatch):
    """Of all that are installed, ours among them."""
    monkeypatch.setenv("BUSWAY_PLUGINS", "")
    plugin("greeter", HANDLER)
    assert {"blocked"} == {row.state for row in load_plugins(bus)}
    assert nothing_on(bus)


def test_the_policy_lets_in_what_it_names(plugin, load, monkeypatch):
    """Argument and environment together: what both allow."""
    monkeypatch.setenv("BUSWAY_PLUGINS", " a , b ")
    for name in "abc":
        plugin(name, HANDLER)
    report = load(allow=["a", "c"])
    assert [row.state for row in report] == ["active", "blocked", "blocked"]


def test_a_blocked_plugins_settings_are_not_looked_at(plugin, load, configure):
    """Whatever they are."""
    configure("[plugins.greeter]\nenabled = 5\n")
    plugin("greeter", HANDLER)
    assert load(deny=["greeter"])["greeter"].state == "blocked"


@pytest.mark.parametrize("option", ["allow", "deny"])
def test_a_policy_is_no_str(load, option):
    """`allow="audit"` would allow a, u, d, i and t."""
    with pytest.raises(TypeError, match=f"{option} is a list"):
        load(**{option: "greeter"})


def test_a_requirement_that_is_not_met_makes_a_plugin_incompatible(distribution, load):
    """Its own, on `busway`; it is not imported."""
    distribution(
        "future",
        {"busway.handlers": {"future": "plugin_future:Handler"}},
        {"plugin_future": HANDLER},
        requires=["click>=1", "busway>=99"],
    )
    row = load()["future"]
    assert row.state == "incompatible"
    assert "busway>=99" in row.reason
    assert "plugin_future" not in sys.modules
    assert isinstance(row.error, PluginLoadError)


def test_a_requirement_that_is_met_is_none(distribution, load):
    """`busway>=0.1` say."""
    distribution(
        "present",
        {"busway.handlers": {"present": "plugin_present:Handler"}},
        {"plugin_present": HANDLER},
        requires=["busway>=0.1"],
    )
    assert state_of(load()["present"]) == ("active", "")


@pytest.fixture
def rivals(distribution):
    """Two distributions that bring a plugin of one name."""
    for name in ("One.Dist", "two-dist"):
        module = f"plugin_{name[:3].lower()}"
        distribution(name, {"busway.handlers": {"greeter": f"{module}:Handler"}}, {module: HANDLER})


def test_two_of_one_name_conflict(rivals, load, bus):
    """Neither is imported; the reason tells how to choose."""
    rows = list(load())
    assert [(row.distribution, row.state) for row in rows] == [
        ("one-dist", "conflict"),
        ("two-dist", "conflict"),
    ]
    assert '[plugins.greeter] distribution = "two-dist"' in rows[1].reason
    assert {PluginConflictError} == {type(row.error) for row in rows}
    assert {"plugin_one", "plugin_two"}.isdisjoint(sys.modules)
    assert nothing_on(bus)


@pytest.mark.parametrize("chosen", ["one-dist", "One.Dist", "one_dist", "ONE-DIST"])
def test_a_conflict_is_resolved_by_the_settings(rivals, load, bus, configure, chosen):
    """`distribution`, however its name is written; the other is blocked and not imported."""
    configure(f'[plugins.greeter]\ndistribution = "{chosen}"\n')
    report = load()
    assert [(row.distribution, row.state) for row in report] == [
        ("one-dist", "active"),
        ("two-dist", "blocked"),
    ]
    assert report["greeter"].provided == bus.handlers
    assert "plugin_two" not in sys.modules


def test_a_choice_of_what_is_not_there_blocks_both(rivals, load, configure):
    """The reason shows it."""
    configure('[plugins.greeter]\ndistribution = "three-dist"\n')
    assert [state_of(row) for row in load()] == [
        ("blocked", "its settings say distribution = 'three-dist'")
    ] * 2


def test_two_kinds_of_one_name_conflict_too(distribution, load):
    """A name is a plugin's, whatever its group."""
    distribution("one", {"busway.handlers": {"x": "plugin_x:Handler"}}, {"plugin_x": HANDLER})
    distribution("two", {"busway.middleware": {"x": "plugin_y:mark"}}, {"plugin_y": MIDDLEWARE})
    assert [row.state for row in load()] == ["conflict", "conflict"]


# -- strict --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "value"), [({"strict": True}, ""), ({}, "1")])
def test_strict_raises_and_registers_nothing(plugin, load, bus, monkeypatch, options, value):
    """By argument or `BUSWAY_STRICT=1`; whole plugins are not registered either."""
    monkeypatch.setenv("BUSWAY_STRICT", value)
    before = dict(event_types())
    plugin("broken", "raise ValueError('boom')")
    plugin("orders", TYPES, "event_types", "OrderEvent")
    plugin("whole", HANDLER)
    with pytest.raises(PluginLoadError, match=r"broken.*boom") as caught:
        load(**options)
    assert caught.value.plugin == "broken"
    assert isinstance(caught.value.__cause__, ValueError)
    assert nothing_on(bus)
    assert before == dict(event_types())


PICKY = """
    def picky(handler, call):
        if "plugin_greeter" in handler.name:
            raise ValueError("not that one")
        return call
"""


@pytest.mark.parametrize("options", [{"strict": True}, {"require": ["picky"]}])
def test_what_the_bus_itself_refuses_is_raised_too(plugin, load, bus, options):
    """An interceptor that fails on another's handler; nothing of the others is registered."""
    before = dict(event_types())
    plugin("orders", TYPES, "event_types", "OrderEvent")
    plugin("greeter", HANDLER)
    plugin("picky", PICKY, "interceptors", "picky")
    with pytest.raises(PluginLoadError, match=r"picky.*not that one"):
        load(**options)
    assert nothing_on(bus)
    assert before == dict(event_types())


@pytest.mark.parametrize(("options", "value"), [({"strict": False}, "1"), ({}, "0"), ({}, "")])
def test_it_is_not_strict_otherwise(plugin, load, monkeypatch, options, value):
    """The argument wins over the environment."""
    monkeypatch.setenv("BUSWAY_STRICT", value)
    plugin("broken", "raise ValueError('boom')")
    assert load(**options)["broken"].state == "failed"


def test_strict_raises_what_it_is(rivals, distribution, load, configure):
    """A conflict, a setting, a load error; all others are noted on the first."""
    distribution.plugin("later", HANDLER)
    with pytest.raises(PluginConflictError) as caught:
        load(strict=True, settings={"later": {"limit": "five"}})
    assert any("later.limit" in note for note in caught.value.__notes__)


def test_strict_minds_only_what_is_broken(plugin, load):
    """Disabled and blocked plugins are as they should be."""
    plugin("a", HANDLER)
    plugin("b", HANDLER)
    report = load(strict=True, deny=["a"], settings={"b": {"enabled": False}})
    assert [row.state for row in report] == ["blocked", "disabled"]


def test_after_strict_raised_loading_works(plugin, load, bus):
    """Once what was broken is denied."""
    plugin("broken", "raise ValueError('boom')")
    plugin("whole", HANDLER)
    with pytest.raises(PluginLoadError):
        load(strict=True)
    assert state_of(load(strict=True, deny=["broken"])["whole"]) == ("active", "")
    assert len(bus.handlers) == 1


# -- again ---------------------------------------------------------------------------------------


def test_called_twice_it_registers_nothing_twice(plugin, load, bus):
    """The second report shows the instances of the first."""
    plugin("greeter", HANDLER)
    plugin("marker", MIDDLEWARE, "middleware", "mark")
    plugin("hooks", HOOK_MODULE, "plugins", "")
    first = load()
    before = bus.handlers, bus.middleware, bus.interceptors
    second = load()
    assert before == (bus.handlers, bus.middleware, bus.interceptors)
    assert [row.provided for row in first] == [row.provided for row in second]
    assert {"active"} == {row.state for row in second}


def test_the_second_time_brings_what_is_new(plugin, load, bus):
    """What was installed, or allowed, in the meantime."""
    plugin("greeter", HANDLER)
    plugin("later", HANDLER)
    load(deny=["later"])
    assert [row.state for row in load()] == ["active", "active"]
    assert len(bus.handlers) == 2


def test_the_second_time_lets_no_rival_in(rivals, load, bus):
    """One name is one plugin: what is active stays, and stays alone."""
    load(settings={"greeter": {"distribution": "one-dist"}})
    report = load()
    assert len(bus.handlers) == 1
    assert [row.state for row in report] == ["active", "conflict"]


def test_after_reset_it_loads_again(plugin, load):
    """A fresh shared bus, fresh instances."""
    plugin("greeter", HANDLER)
    plugin("orders", TYPES, "event_types", "OrderEvent")
    (first,) = load(bus=None)["greeter"].provided
    EventBus.reset()
    report = load(bus=None)
    (second,) = report["greeter"].provided
    assert first is not second
    assert EventBus.get_instance().handlers == (second,)
    assert state_of(report["orders"]) == ("active", "")


def test_each_bus_has_its_own_instances(plugin, load):
    """Two private buses share nothing."""
    plugin("greeter", HANDLER)
    one, other = load(bus=EventBus())["greeter"], load(bus=EventBus())["greeter"]
    assert one.provided[0] is not other.provided[0]


# -- the order of middleware ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "marks"), [("[]", "abcd"), ('["c", "b"]', "cbad"), ('["d", "ghost", "a"]', "dabc")]
)
async def test_the_order_of_middleware_is_the_applications(
    plugin, load, bus, configure, order, marks
):
    """`[bus] middleware`, the rest by name after them."""
    configure(f"[bus]\nmiddleware = {order}\n")
    for name in "dbca":
        plugin(name, MIDDLEWARE.format(name), "middleware", "mark")
    load()
    result = await bus.publish(Event("user.login"))
    assert marks == result.event.source


async def test_the_order_holds_for_hooks_too(plugin, load, bus, configure):
    """A plugin's name stands for all middleware it brings."""
    configure('[bus]\nmiddleware = ["z"]\n')
    plugin("a", MIDDLEWARE.format("a"), "middleware", "mark")
    plugin(
        "z",
        "from busway import hookimpl\n"
        "def mark(letter):\n    return lambda event: event.replace(source=event.source + letter)\n"
        "@hookimpl\ndef busway_middleware():\n    return [mark('y'), mark('z')]\n",
        "plugins",
        "",
    )
    load()
    assert (await bus.publish(Event("user.login"))).event.source == "yza"


# -- the hooks that observe ----------------------------------------------------------------------

OBSERVER = """
    from busway import hookimpl
    told = []

    @hookimpl
    def busway_handler_failed(bus, event, handler, error):
        told.append((bus, event, handler, error))
        {end}

    @hookimpl
    def busway_event_unhandled(bus, event):
        told.append((bus, event))
        {end}
"""


class Fails:
    """A handler of the application's own."""

    event_types = ("user.login",)

    def handle(self, event: Event) -> None:
        raise ValueError("boom")


async def test_a_failure_is_told_to_the_hooks(plugin, load, bus):
    """`busway_handler_failed`: the bus, the event, the handler, the error."""
    plugin("watch", OBSERVER.format(end=""), "plugins", "")
    load()
    handler, event = Fails(), Event("user.login")
    bus.subscribe(handler)
    result = await bus.publish(event)
    assert [(bus, event, handler, result.errors[0])] == sys.modules["plugin_watch"].told


async def test_an_event_that_nobody_wants_is_told_to_the_hooks(plugin, load, bus):
    """`busway_event_unhandled`: the bus and the event."""
    plugin("watch", OBSERVER.format(end=""), "plugins", "")
    load()
    event = Event("user.login")
    await bus.publish(event)
    assert [(bus, event)] == sys.modules["plugin_watch"].told


async def test_the_hooks_are_not_told_of_what_is_well(plugin, load, bus):
    """Neither hook is called for an event that was handled."""
    plugin("watch", OBSERVER.format(end=""), "plugins", "")
    plugin("greeter", HANDLER)
    load()
    await bus.publish(Event("user.login"))
    assert sys.modules["plugin_watch"].told == []


async def test_a_blocked_event_is_not_unhandled(plugin, load, bus):
    """It was never dispatched."""
    plugin("watch", OBSERVER.format(end=""), "plugins", "")
    load()
    bus.add_middleware(lambda event: None)
    await bus.publish(Event("user.login"))
    assert sys.modules["plugin_watch"].told == []


@pytest.mark.parametrize("handled", [True, False])
async def test_a_hook_that_raises_stops_nothing(plugin, load, bus, caplog, handled):
    """Not the publisher, nor the other plugin's hook; the plugin is named in the log."""
    plugin("a", OBSERVER.format(end="raise RuntimeError('hook')"), "plugins", "")
    plugin("b", OBSERVER.format(end=""), "plugins", "")
    load()
    if handled:
        bus.subscribe(Fails())
    await bus.publish(Event("user.login"))
    assert (len(sys.modules["plugin_a"].told), len(sys.modules["plugin_b"].told)) == (1, 1)
    assert (
        sum("plugin a" in r.getMessage() for r in caplog.records if r.name == "busway.plugins") == 1
    )


async def test_hooks_of_plugins_that_failed_are_not_told(plugin, load, bus):
    """Nothing of them is registered, hooks neither."""
    plugin(
        "watch",
        OBSERVER.format(end="")
        + "\n    @hookimpl\n    def busway_handlers():\n        raise ValueError\n",
        "plugins",
        "",
    )
    assert load()["watch"].state == "failed"
    watch = sys.modules["plugin_watch"]
    await bus.publish(Event("user.login"))
    assert watch.told == []


async def test_hooks_hear_of_their_own_bus_only(plugin, load, bus):
    """Another bus, without plugins, tells nobody."""
    plugin("watch", OBSERVER.format(end=""), "plugins", "")
    load()
    await EventBus().publish(Event("user.login"))
    assert sys.modules["plugin_watch"].told == []


# -- names that nobody has -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "options", "environment"),
    [
        ("[plugins.ghost]\na = 1", {}, {}),
        ('[bus]\nmiddleware = ["ghost"]', {}, {}),
        ("", {"settings": {"ghost": {}}}, {}),
        ("", {"deny": ["ghost"]}, {}),
        ("", {"allow": ["ghost"]}, {}),
        ("", {}, {"BUSWAY_DISABLE": "ghost"}),
        ("", {}, {"BUSWAY_PLUGINS": "ghost"}),
    ],
)
def test_a_name_that_no_plugin_has_is_warned_of(
    load, configure, monkeypatch, caplog, toml, options, environment
):
    """A typing error in a policy must not go unseen."""
    configure(toml)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    load(**options)
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "'ghost'" in warned[0]


def test_names_that_are_installed_are_not_warned_of(plugin, load, configure, caplog):
    """Also of plugins that are blocked."""
    configure("[plugins.greeter]\nlimit = 1\n[bus]\nmiddleware = ['greeter']\n")
    plugin("greeter", HANDLER)
    load(deny=["greeter"])
    assert caplog.records == []


def test_unregistered_types_stay_unknown(plugin, load):
    """A blocked plugin's types are not publishable."""
    plugin("orders", TYPES, "event_types", "OrderEvent")
    load(allow=[])
    with pytest.raises(EventError, match=r"order\.shipped"):
        Event("order.shipped")


def test_after_reset_handlers_made_in_passing_are_there_again(plugin, load):
    """What `on_event` made when the module was first imported, which no entry point names."""
    source = """
    from busway import hookimpl, on_event
    @on_event("user.login")
    def greet(event): ...
    @hookimpl
    def busway_diagnose(): return []
    """
    plugin("passing", source, "plugins", "")
    load(bus=None)
    (first,) = EventBus.get_instance().handlers
    EventBus.reset()
    load(bus=None)
    assert EventBus.get_instance().handlers == (first,)
