"""Each way of being broken: one clear line in `busway plugins`, and the rest of the app runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

BASE = "import asyncio, sys\nimport busway\nfrom busway import ANY, EventHandler\n"
HANDLER = BASE + "class Plugin(EventHandler):\n    event_types = [ANY]\n"
WHOLE = HANDLER + "    def handle(self, event): pass\n"
TYPES = "from enum import StrEnum\nclass Plugin(StrEnum):\n    A = 'clash.a'\n"
HOOKS = BASE + "class Plugin:\n    @busway.hookimpl\n"


@dataclass(frozen=True)
class Broken:
    """A way of being broken.

    Attributes:
        code: the module.
        cause: what its line has to tell.
        state: what becomes of it.
        failed: what `busway run` counts as failed: a handler that did not start.
        options: how it is installed.
        settings: what busway.toml says.
    """

    code: str
    cause: str
    state: str = "failed"
    failed: int = 0
    options: dict[str, str] = field(default_factory=dict)
    settings: str = ""


HOOKED = {"group": "busway.plugins"}
WAYS = {
    "import error": Broken("raise ImportError('no\\nway')", "import: ImportError: no / way"),
    "syntax error": Broken("def x(:", "SyntaxError: invalid syntax (plugin_bad.py, line 1)"),
    "missing dependency": Broken("import no_such.sub", "No module named 'no_such'"),
    "error of its own on import": Broken(
        "import sys\nsys.nothing", "import: AttributeError: module 'sys' has no attribute 'nothing'"
    ),
    "wrong base class": Broken(
        "class Plugin: ...", "plugin_bad.Plugin is not an EventHandler subclass"
    ),
    "abstract class": Broken(HANDLER, "abstract class Plugin"),
    "no such attribute": Broken(
        WHOLE,
        "its entry point bad = 'plugin_bad:Other' leads nowhere: "
        "module 'plugin_bad' has no attribute 'Other'",
        options={"entry": "Other"},
    ),
    "no such module": Broken(WHOLE, "leads nowhere: No module named 'plugin_bad.sub'"),
    "no entry point": Broken(WHOLE, "leads nowhere: it should read module:attribute"),
    "clash": Broken(WHOLE, "2 distributions bring a plugin 'bad': uninstall one", "conflict"),
    "incompatible": Broken(WHOLE, "requires 'busway>=99', and this is busway", "incompatible"),
    "unknown setting": Broken(
        WHOLE,
        "bad.colour: unknown setting; there are distribution, enabled (read from busway.toml)",
        settings="colour = 1",
    ),
    "bad setting": Broken(
        WHOLE + "    def __init__(self, limit: int = 1): ...\n",
        "bad.limit: an integer is expected, not 'x' (read from busway.toml)",
        settings="limit = 'x'",
    ),
    "hook with a wrong argument": Broken(
        HOOKS + "    def busway_handlers(self, setings): ...", "'setings'", options=HOOKED
    ),
    "unknown hook": Broken(
        HOOKS + "    def busway_handler(self): ...", "unknown hook 'busway_handler'", options=HOOKED
    ),
    "async hook": Broken(
        HOOKS + "    async def busway_handlers(self): ...", "hooks are sync", options=HOOKED
    ),
    "raises in the constructor": Broken(
        WHOLE + "    def __init__(self): raise ValueError('a\\n\\nb')\n", "build: ValueError: a / b"
    ),
    "exits on import": Broken("import sys\nsys.exit('bye')", "import: SystemExit: bye"),
    "prints on import": Broken(
        "print('hello')\n" + WHOLE, "prints when it is imported: 'hello", "active"
    ),
    "event types clash": Broken(
        TYPES,
        "plugin_bad.Plugin and plugin_apt.Plugin both claim the event type 'clash.a'",
        options={"group": "busway.event_types"},
    ),
    "unknown event type": Broken(
        WHOLE.replace("[ANY]", "['no.such']"), "unknown event type 'no.such'"
    ),
    "raises in start": Broken(
        WHOLE + "    async def start(self, bus): raise OSError('no\\nport')\n",
        "start: OSError: no / port",
        failed=1,
    ),
    "hangs in start": Broken(
        WHOLE + "    async def start(self, bus): await asyncio.Event().wait()\n",
        "took longer than",
        failed=1,
    ),
}


@pytest.fixture(params=WAYS)
def broken(busway, request) -> Broken:
    """A broken plugin `bad` beside a good one."""
    way = WAYS[request.param]
    busway.handler("good", "def handle(self, event): pass")
    busway.install("bad", way.code, **way.options)
    entry_points = busway.site / "x_bad-1.0.dist-info" / "entry_points.txt"
    if request.param == "clash":
        busway.install("bad", way.code, distribution="x-rival")
    elif request.param == "event types clash":
        busway.install("apt", TYPES, group="busway.event_types")
    elif request.param == "no such module":
        entry_points.write_text("[busway.handlers]\nbad = plugin_bad.sub:Plugin\n")
    elif request.param == "no entry point":
        entry_points.write_text("[busway.handlers]\nbad = plugin bad\n")
    elif request.param == "incompatible":
        with (entry_points.parent / "METADATA").open("a") as metadata:
            metadata.write("Requires-Dist: busway>=99\n")
    (busway.directory / "busway.toml").write_text(f"[plugins.bad]\n{way.settings}\n")
    return way


def test_one_clear_line_in_the_table(busway, broken):
    """It names the plugin, its state and the cause; stderr does not repeat it."""
    done = busway("plugins", "--start", "--start-timeout", "0.2")
    table, _, _ = done.stdout.partition("\n\n")  # below it are the settings that were set
    rows = [one for one in table.splitlines() if one.startswith("bad ")]
    assert len(rows) == (2 if broken.state == "conflict" else 1)  # one a distribution
    for row in rows:
        assert row.split()[:5] == ["bad", row.split()[1], row.split()[2], "1.0", broken.state]
        assert broken.cause in row
    assert done.returncode == 0
    assert done.stderr == ("hello\n" if broken.state == "active" else "")
    assert " active " in next(one for one in done.stdout.splitlines() if one.startswith("good "))


def test_one_clear_line_in_json(busway, broken):
    """The same, in the reason or, if nothing broke, in a note; never in several lines."""
    done = busway("plugins", "--start", "--start-timeout", "0.2", "--json", "--check")
    row = next(one for one in json.loads(done.stdout) if one["name"] == "bad")
    told = "".join(row["notes"]) if broken.state == "active" else row["reason"]
    assert broken.cause in told
    assert "\n" not in told
    assert (row["state"], done.returncode) == (broken.state, int(broken.state != "active"))


def test_the_rest_of_the_app_runs(busway, broken, line):
    """The good handler gets every event; a handler that did not start makes the exit 1."""
    done = busway("run", "--json", stdin=line() * 3)
    report = json.loads(done.stdout)
    assert report["handlers"]["plugin_good.Plugin"] == {
        "ok": 3,
        "failed": 0,
        "cancelled": 0,
        "skipped": 0,
    }
    assert report["failed"] == broken.failed
    assert done.returncode == (1 if broken.failed else 0)
    assert "Traceback" not in done.stderr
