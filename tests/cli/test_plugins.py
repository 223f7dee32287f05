"""`busway plugins` and `busway events`: what is installed, and who handles what."""

from __future__ import annotations

import json

from busway import EventType

KEYS = ["name", "kind", "distribution", "version", "state", "reason"]
ORDERS = """
from enum import StrEnum
class Plugin(StrEnum):
    SHIPPED = "order.shipped"
"""


def rows_of(busway, *names: str, **env: str) -> dict[str, dict[str, str]]:
    done = busway("plugins", "--json", env=env)
    assert done.returncode == 0
    return {one["name"]: one for one in json.loads(done.stdout) if one["name"] in names}


def test_each_plugin_with_its_state(busway):
    """A list with one object a plugin, of exactly these keys, broken ones with the reason."""
    busway.handler("good", "def handle(self, event): pass")
    busway.install("off", "class Plugin: pass")
    (busway.directory / "busway.toml").write_text("[plugins.off]\nenabled = false\n")
    busway.install("broken", "raise RuntimeError('at import')")
    rows = rows_of(busway, "good", "off", "broken")
    assert [list(one) for one in rows.values()] == [KEYS] * 3
    assert list(rows["good"].values()) == ["good", "handlers", "x-good", "1.0", "active", ""]
    assert (rows["off"]["state"], rows["off"]["reason"]) == (
        "disabled",
        "its settings say enabled = false",
    )
    assert rows["broken"]["state"] == "failed"
    assert "RuntimeError: at import" in rows["broken"]["reason"]


def test_policy_shows(busway):
    """A plugin that may not be imported is listed as blocked."""
    busway.install("loud", "print('imported')")
    rows = rows_of(busway, "loud", BUSWAY_PLUGINS="other")
    assert (rows["loud"]["state"], rows["loud"]["reason"]) == ("blocked", "not in BUSWAY_PLUGINS")


def test_the_table_holds_everything(busway):
    """The human table is not cut in a pipe, and square brackets are no markup."""
    busway.install("broken", f"raise RuntimeError('[red]{'long ' * 200}end')")
    done = busway("plugins")
    assert done.returncode == 0
    (row,) = [one for one in done.stdout.splitlines() if one.startswith("broken")]
    assert row.split()[:5] == ["broken", "handlers", "x-broken", "1.0", "failed"]
    assert row.endswith(f"RuntimeError: [red]{'long ' * 200}end")


def test_prints_of_plugins_do_not_disturb_json(busway):
    """What a plugin prints when it is imported goes to stderr."""
    busway.install("loud", "print('imported')\nclass Plugin:\n    pass")
    for command in ("plugins", "events"):
        done = busway(command, "--json")
        assert isinstance(json.loads(done.stdout), list)
        assert done.stderr.startswith("imported\n")


def test_strict_and_settings_refuse(busway):
    """A broken plugin under BUSWAY_STRICT, and settings that cannot be read, are exit 2."""
    busway.install("broken", "raise RuntimeError('at import')")
    for command in ("plugins", "events"):
        assert busway(command).returncode == 0
        for env in ({"BUSWAY_STRICT": "1"}, {"BUSWAY_CONFIG": "nothing.toml"}):
            done = busway(command, "--json", env=env)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith("busway: ")
            assert "Traceback" not in done.stderr


def events_of(busway) -> dict[str, dict[str, object]]:
    done = busway("events", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return {one["type"]: one for one in json.loads(done.stdout)}


def test_who_handles_what(busway):
    """Every type with its enum and its handlers in order, those of ANY and of none included."""
    busway.install("orders", ORDERS, group="busway.event_types")
    busway.handler("all", "def handle(self, event): raise SystemExit")
    busway.handler(
        "ship", "def handle(self, event): raise SystemExit", types='["order.shipped", "user.login"]'
    )
    rows = events_of(busway)
    assert list(rows) == [*(one.value for one in EventType), "order.shipped"]
    assert rows["user.login"] == {
        "type": "user.login",
        "enum": "busway.events.EventType",
        "handlers": ["plugin_all.Plugin", "plugin_ship.Plugin"],
    }
    assert rows["order.shipped"]["enum"] == "plugin_orders.Plugin"
    assert rows["order.shipped"]["handlers"] == ["plugin_all.Plugin", "plugin_ship.Plugin"]
    assert rows["audit.log"]["handlers"] == ["plugin_all.Plugin"]


def test_nobody_is_called(busway):
    """Asking runs no handler, no middleware and no hook."""
    busway.handler("loud", "def handle(self, event): print('handled')", types='["user.login"]')
    busway.install("stops", "def Plugin(event): print('passed')", group="busway.middleware")
    busway.install(
        "hooks",
        """
        from busway import hookimpl
        class Plugin:
            @hookimpl
            def busway_event_unhandled(event):
                print("unhandled")
        """,
        group="busway.plugins",
    )
    rows = events_of(busway)
    assert rows["user.login"]["handlers"] == ["plugin_loud.Plugin"]
    assert rows["audit.log"]["handlers"] == []


def test_what_nobody_handles_is_said(busway):
    """The human answer ends with the types that nobody handles, if there are any."""
    busway.install("orders", ORDERS, group="busway.event_types")
    everything = [one.value for one in EventType]
    busway.handler("most", "def handle(self, event): pass", types=repr(everything))
    done = busway("events")
    assert done.stdout.splitlines()[-1] == "handled by nobody: order.shipped"
    assert "plugin_most.Plugin" in done.stdout
    busway.handler("all", "def handle(self, event): pass")
    assert "handled by nobody" not in busway("events").stdout
