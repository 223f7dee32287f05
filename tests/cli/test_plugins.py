"""`busway plugins`: what is installed, and what became of it."""

from __future__ import annotations

import json
import os

import pytest

KEYS = [
    "name", "kind", "distribution", "version", "state", "reason", "notes", "handles", "provides",
    "settings", "seconds", "traceback",
]  # fmt: skip
ORDERS = """
from enum import StrEnum
class Plugin(StrEnum):
    SHIPPED = "order.shipped"
    PAID = "order.paid"
"""
SETTINGS = """
def __init__(self, *, limit: int = 3, where: str = "here", key: str = "", extra: object = ...): ...
def handle(self, event): pass
"""
OK = "def handle(self, event): pass"


def rows_of(busway, *names: str, args: tuple[str, ...] = (), **env: str) -> dict[str, dict]:
    done = busway("plugins", "--json", *args, env=env)
    assert done.returncode == 0
    return {one["name"]: one for one in json.loads(done.stdout) if one["name"] in names}


def shown(busway, name: str, *args: str, **env: str) -> dict:
    done = busway("plugins", "show", name, "--json", *args, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def line_of(done, name: str) -> str:
    (row,) = [one for one in done.stdout.splitlines() if one.split()[:1] == [name]]
    return row


def test_each_plugin_with_its_state(busway):
    """A list with one object a plugin, of exactly these keys, broken ones with the reason."""
    busway.handler("good", OK)
    busway.install("off", "class Plugin: pass")
    (busway.directory / "busway.toml").write_text("[plugins.off]\nenabled = false\n")
    busway.install("broken", "raise RuntimeError('at import')")
    rows = rows_of(busway, "good", "off", "broken")
    assert [list(one) for one in rows.values()] == [KEYS] * 3
    assert list(rows["good"].values())[:6] == ["good", "handlers", "x-good", "1.0", "active", ""]
    assert (rows["off"]["state"], rows["off"]["reason"]) == (
        "disabled",
        "its settings say enabled = false",
    )
    assert rows["broken"]["state"] == "failed"
    assert "RuntimeError: at import" in rows["broken"]["reason"]


def test_they_are_sorted_by_name(busway):
    """Whatever kind they are of."""
    busway.handler("c", OK)
    busway.install("b", "def Plugin(event): return event", group="busway.middleware")
    busway.handler("a", OK)
    found = json.loads(busway("plugins", "--json").stdout)
    assert [one["name"] for one in found] == sorted(one["name"] for one in found)
    assert [one["name"] for one in found if one["name"] in "abc"] == ["a", "b", "c"]


def test_policy_shows(busway):
    """A plugin that may not be imported is listed as blocked, and is not imported."""
    busway.install("loud", "open('imported', 'w')")
    rows = rows_of(busway, "loud", BUSWAY_PLUGINS="other")
    assert (rows["loud"]["state"], rows["loud"]["reason"]) == ("blocked", "not in BUSWAY_PLUGINS")
    assert rows["loud"]["seconds"] == 0
    assert shown(busway, "loud", BUSWAY_PLUGINS="other")["settings"] == {}
    assert "imported" not in os.listdir(busway.directory)


def test_what_they_handle_and_bring(busway):
    """The event types of the handlers, and the names of all else, by kind."""
    busway.install("orders", ORDERS, group="busway.event_types")
    busway.handler("all", OK)
    busway.handler("ship", OK, types='["user.login", "order.shipped"]')
    busway.install("stops", "def Plugin(event): return event", group="busway.middleware")
    busway.install("wraps", "def Plugin(handler, call): return call", group="busway.interceptors")
    rows = rows_of(busway, "orders", "all", "ship", "stops", "wraps")
    assert rows["all"]["handles"] == ["*"]
    assert rows["ship"]["handles"] == ["user.login", "order.shipped"]
    assert rows["ship"]["provides"]["handlers"] == ["plugin_ship.Plugin"]
    assert rows["stops"]["provides"]["middleware"] == ["plugin_stops.Plugin"]
    assert rows["wraps"]["provides"]["interceptors"] == ["plugin_wraps.Plugin"]
    assert rows["orders"]["provides"] == {
        "handlers": [],
        "middleware": [],
        "interceptors": [],
        "event_types": ["order.shipped", "order.paid"],
    }
    done = busway("plugins")
    assert "2 event types: order.shipped, order.paid" in line_of(done, "orders")
    assert "1 middleware: plugin_stops.Plugin" in line_of(done, "stops")


def test_the_time_that_loading_took(busway):
    """It is that of the import, in seconds; in the table in milliseconds."""
    busway.handler("quick", OK)
    busway.install("late", "import time\ntime.sleep(0.2)\nfrom plugin_quick import Plugin")
    rows = rows_of(busway, "quick", "late")
    assert 0 < rows["quick"]["seconds"] < 0.2 <= rows["late"]["seconds"] < 5
    assert float(line_of(busway("plugins"), "late").split()[5]) >= 200


def test_settings_with_their_sources(busway):
    """Each with where it was read; secrets are hidden, and what was not set has its default."""
    busway.handler("set", SETTINGS)
    (busway.directory / "busway.toml").write_text(
        '[plugins.set]\nlimit = 1\nkey = {env = "HUSH"}\n'
    )
    env = {"HUSH": "hunter2", "BUSWAY_SET__LIMIT": "2"}
    settings = shown(busway, "set", **env)["settings"]
    assert settings["limit"] == {"value": "'2'", "source": "BUSWAY_SET__LIMIT"}
    assert settings["where"] == {"value": "'here'", "source": "default"}
    assert settings["extra"] == {"value": "a ellipsis", "source": "default"}
    assert settings["key"]["source"] == "busway.toml"
    assert rows_of(busway, "set", **env)["set"]["settings"] == settings
    for done in (busway("plugins", env=env), busway("plugins", "show", "set", env=env)):
        assert "hunter2" not in done.stdout
        assert "BUSWAY_SET__LIMIT" in done.stdout
    assert "'here'" not in busway("plugins", env=env).stdout


def test_the_table_holds_everything(busway):
    """The human table is not cut in a pipe, and square brackets are no markup."""
    busway.install("broken", f"raise RuntimeError('[red]{'long ' * 200}end')")
    done = busway("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    row = line_of(done, "broken")
    assert row.split()[:5] == ["broken", "handlers", "x-broken", "1.0", "failed"]
    assert row.endswith(f"RuntimeError: [red]{'long ' * 200}end")


@pytest.mark.parametrize("args", [("plugins",), ("plugins", "--json"), ("plugins", "show", "loud")])
def test_prints_of_plugins_do_not_disturb_the_answer(busway, args):
    """What a plugin prints when it is imported goes to stderr, and a note says who did."""
    busway.handler("loud", "print('imported')\n" + OK)
    done = busway(*args)
    assert done.stderr == "imported\n"
    assert not done.stdout.startswith("imported")
    assert "prints when it is imported" in done.stdout


@pytest.mark.parametrize(("args", "code"), [((), 0), (("--check",), 1), (("--check", "--json"), 1)])
def test_check_names_who_is_not_active(busway, args, code):
    """It exits with 1 if an enabled plugin is broken, and stderr names each with its state."""
    busway.handler("good", OK)
    busway.install("broken", "raise RuntimeError")
    for one in ("one", "two"):
        busway.install("rival", "Plugin = None", distribution=one)
    done = busway("plugins", *args)
    assert done.returncode == code
    told = "busway: not active: broken (failed), rival (conflict), rival (conflict)\n"
    assert done.stderr == (told if code else "")


def test_check_lets_disabled_and_blocked_be(busway):
    """They are as somebody wants them."""
    busway.handler("off", OK)
    busway.handler("kept-out", OK)
    env = {"BUSWAY_OFF__ENABLED": "0", "BUSWAY_DISABLE": "kept-out"}
    done = busway("plugins", "--check", env=env)
    assert (done.returncode, done.stderr) == (0, "")


START = """
async def start(self, bus): open("started", "w")
async def stop(self): os.rename("started", "stopped")
def handle(self, event): pass
"""


def test_nothing_is_started_unless_asked(busway):
    """`--start` starts each handler and stops it again; without it no handler is started."""
    busway.handler("starts", START)
    assert busway("plugins").returncode == 0
    assert not {"started", "stopped"} & set(os.listdir(busway.directory))
    done = busway("plugins", "--start", "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "stopped" in os.listdir(busway.directory)


def test_a_handler_that_does_not_start(busway):
    """Its plugin has failed, in one line, with the traceback on request; the others are stopped."""
    busway.handler("starts", START)
    busway.handler("refuses", "async def start(self, bus): raise OSError('no\\nport')\n" + OK)
    done = busway("plugins", "--start", "--check")
    assert (done.returncode, done.stderr) == (1, "busway: not active: refuses (failed)\n")
    assert line_of(done, "refuses").endswith("start: OSError: no / port")
    assert "stopped" in os.listdir(busway.directory)
    facts = shown(busway, "refuses", "--start")
    assert (facts["state"], facts["reason"]) == ("failed", "start: OSError: no / port")
    assert "plugin_refuses.py" in facts["traceback"]
    assert shown(busway, "refuses")["state"] == "active"


def test_a_start_that_fails_tells_no_secret(busway):
    """Neither the reason nor the traceback."""
    code = """
    def __init__(self, key: str): self.key = key
    async def start(self, bus): raise OSError("refused: " + self.key)
    def handle(self, event): pass
    """
    busway.handler("keyed", code)
    (busway.directory / "busway.toml").write_text('[plugins.keyed]\nkey = {env = "HUSH"}\n')
    done = busway("plugins", "show", "keyed", "--start", env={"HUSH": "hunter2"})
    assert "start: OSError: refused: ***" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_a_handler_that_does_not_stop_well(busway):
    """stderr tells it, and the check has failed."""
    busway.handler("stays", "async def stop(self): raise OSError('busy')\n" + OK)
    done = busway("plugins", "--start", "--check")
    assert done.returncode == 1
    assert done.stderr.startswith("busway: handler plugin_stays.Plugin did not stop well")
    assert busway("plugins", "--start").returncode == 0


def test_a_start_that_exits(busway):
    """It has not started; the others do."""
    busway.handler("exits", "async def start(self, bus): sys.exit(3)\n" + OK)
    busway.handler("good", OK)
    rows = json.loads(busway("plugins", "--start", "--json").stdout)
    states = {one["name"]: (one["state"], one["reason"]) for one in rows}
    assert states["exits"] == ("failed", "start: HandlerError: start() exits, with 3")
    assert states["good"] == ("active", "")


def test_a_handler_that_ends_the_trial(busway):
    """SystemExit in what a start leaves behind is told with its place; exit 2."""
    busway.handler(
        "exits",
        """
        async def start(self, bus):
            asyncio.get_running_loop().call_soon(self.leave)
            await asyncio.Event().wait()
        def leave(self):
            sys.exit(3)
        def handle(self, event): ...
        """,
    )
    done = busway("plugins", "--start")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("busway: a handler ended the trial: SystemExit: 3, from ")
    assert "plugin_exits.py, line 10" in done.stderr


def test_show_tells_all_of_one(busway):
    """A page with what the table holds, its settings, and the traceback."""
    busway.handler("good", SETTINGS, types='["user.login", "audit.log"]')
    busway.install("broken", "raise RuntimeError('at\\nimport')")
    lines = [one.split() for one in busway("plugins", "show", "good").stdout.splitlines()]
    for wanted in (
        ["plugin", "good"],
        ["distribution", "x-good", "1.0"],
        ["state", "active"],
        ["handles", "user.login"],
        ["handles", "audit.log"],
        ["handler", "plugin_good.Plugin"],
        ["limit", "3", "default"],
    ):
        assert wanted in lines
    done = busway("plugins", "show", "broken")
    assert done.returncode == 0
    assert "Traceback (most recent call last):\n" in done.stdout
    assert '/plugin_broken.py", line 1, in <module>\n' in done.stdout
    assert shown(busway, "broken")["traceback"].endswith("RuntimeError: at\nimport\n")


def test_show_of_a_name_that_two_bring(busway):
    """The one that is active, or the first, and who the other is."""
    for one in ("one", "two"):
        busway.handler("rival", OK, distribution=one)
    facts = shown(busway, "rival")
    assert (facts["state"], facts["distribution"], facts["rivals"]) == (
        "conflict",
        "one",
        ["two 1.0"],
    )
    facts = shown(busway, "rival", BUSWAY_RIVAL__DISTRIBUTION="two")
    assert (facts["state"], facts["distribution"], facts["rivals"]) == (
        "active",
        "two",
        ["one 1.0"],
    )
    assert "two 1.0" in busway("plugins", "show", "rival").stdout


def test_show_of_a_name_that_there_is_not(busway):
    """One line with the names there are; exit 2."""
    busway.handler("good", OK)
    done = busway("plugins", "show", "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("busway: no plugin 'nothing' is installed; there are: ")
    assert "good" in done.stderr


def test_options_go_after_show(busway):
    """Before it they would mean nothing, and that is said."""
    busway.handler("good", OK)
    done = busway("plugins", "--json", "show", "good")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "busway: Options go after 'show'. Try 'busway plugins --help'.\n"


def test_a_class_that_is_hard_to_look_at(busway):
    """What raises when it is read a second time, or has no signature, does no harm."""
    busway.handler(
        "once",
        """
        def handle(self, event): pass
        reads = 0
        @property
        def event_types(self):
            self.reads += 1
            if self.reads > 3:  # is it one, to rehearse, to subscribe
                raise RuntimeError
            return ["user.login"]
        """,
        types="None",
    )
    busway.install("text", "Plugin = str", group="busway.middleware")
    rows = rows_of(busway, "once", "text")
    assert (rows["once"]["state"], rows["once"]["handles"]) == ("active", ["user.login"])
    assert rows["text"]["state"] == "failed"


@pytest.mark.parametrize("command", [("plugins",), ("events",), ("plugins", "show", "broken")])
def test_strict_and_settings_refuse(busway, command):
    """A broken plugin under BUSWAY_STRICT, and settings that cannot be read, are exit 2."""
    busway.install("broken", "raise RuntimeError('at import')")
    assert busway(*command).returncode == 0
    for env in ({"BUSWAY_STRICT": "1"}, {"BUSWAY_CONFIG": "nothing.toml"}):
        done = busway(*command, "--json", env=env)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("busway: ")
        assert "Traceback" not in done.stderr
