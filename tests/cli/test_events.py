"""`busway events`: every type of event, and who handles it."""

from __future__ import annotations

import json
import os
import re

import pytest

from busway import EventType

ORDERS = """
from enum import StrEnum
class Plugin(StrEnum):
    SHIPPED = "order.shipped"
"""


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


@pytest.mark.parametrize("args", [(), ("--json",), ("--graph",)])
def test_prints_of_plugins_do_not_disturb_the_answer(busway, args):
    """What a plugin prints when it is imported goes to stderr."""
    busway.install("loud", "print('imported')\nclass Plugin:\n    pass")
    done = busway("events", *args)
    assert done.stderr.startswith("imported\n")
    assert "imported" not in done.stdout


class Drawn:
    """A graph as `--json` gives it, asked by names."""

    def __init__(self, busway, *args: str, **env: str) -> None:
        self.done = busway("events", "--graph", "--json", *args, env=env)
        assert self.done.returncode == 0, self.done.stderr
        graph = json.loads(self.done.stdout)
        self.nodes = {one["name"]: one for one in graph["nodes"]}
        names = {one["id"]: one["name"] for one in graph["nodes"]}
        assert len(names) == len(graph["nodes"])
        self.edges = {(names[one["source"]], names[one["target"]]) for one in graph["edges"]}

    def marked(self, mark: str) -> set[str]:
        """Without the handlers of other plugins, that the tests do not load."""
        marked = {name for name, node in self.nodes.items() if node["mark"] == mark}
        return marked - {one for one in marked if self.nodes[one]["state"] == "blocked"}


def two_of_a_kind(busway) -> None:
    """Two middleware, in the order that the settings say, and two handlers."""
    for name in ("first", "second"):
        busway.install(name, "def Plugin(event): return event", group="busway.middleware")
    (busway.directory / "busway.toml").write_text('[bus]\nmiddleware = ["second", "first"]\n')
    busway.handler("some", "def handle(self, event): ...", types='["user.login", "user.logout"]')
    busway.handler("one", "def handle(self, event): ...", types='["audit.log"]')


def test_a_graph_goes_by_middleware_and_type_to_handlers(busway):
    """In the order that an event passes them, each with the plugin that brought it."""
    two_of_a_kind(busway)
    drawn = Drawn(busway)
    assert drawn.nodes["plugin_some.Plugin"]["plugin"] == "some"
    assert drawn.nodes["user.login"]["plugin"] == ""
    to_types = {("plugin_first.Plugin", one.value) for one in EventType}
    assert drawn.edges == to_types | {
        ("publish", "plugin_second.Plugin"),
        ("plugin_second.Plugin", "plugin_first.Plugin"),
        ("user.login", "plugin_some.Plugin"),
        ("user.logout", "plugin_some.Plugin"),
        ("audit.log", "plugin_one.Plugin"),
    }


def test_a_graph_marks_orphans(busway):
    """The types that no handler hears, and no others."""
    two_of_a_kind(busway)
    busway.install("orders", ORDERS, group="busway.event_types")
    drawn = Drawn(busway)
    heard = {"user.login", "user.logout", "audit.log"}
    assert drawn.marked("orphan") == {*(one.value for one in EventType), "order.shipped"} - heard
    assert drawn.nodes["order.shipped"]["plugin"] == "orders"
    assert drawn.marked("uncalled") == set()


def test_a_graph_marks_handlers_that_are_not_active(busway):
    """No event reaches what is not loaded; it is known by its plugin, and not imported."""
    busway.install("barred", "open('imported', 'w')")
    busway.install("broken", "raise RuntimeError")
    busway.install("other", "raise RuntimeError", group="busway.middleware")
    drawn = Drawn(busway, BUSWAY_DISABLE="barred")
    assert drawn.marked("uncalled") == {"broken"}
    assert "other" not in drawn.nodes
    assert drawn.nodes["broken"]["state"] == "failed"
    told = [drawn.nodes["barred"][one] for one in ("kind", "plugin", "state", "mark")]
    assert told == ["handler", "barred", "blocked", "uncalled"]
    assert "imported" not in os.listdir(busway.directory)


def test_a_graph_with_events_seen(busway, line):
    """They are counted by type and handler, and who would have got none is marked."""
    two_of_a_kind(busway)
    seen = "\ufeff" + line() + line("user.logout") + "\n" + line("item.created") + "{\n[]\n"
    (busway.directory / "seen.jsonl").write_text(seen + line("order.lost"))
    drawn = Drawn(busway, "--seen", "seen.jsonl")
    assert [drawn.nodes[one]["seen"] for one in ("user.login", "audit.log")] == [1, 0]
    assert drawn.nodes["plugin_some.Plugin"]["seen"] == 2
    assert drawn.marked("uncalled") == {"plugin_one.Plugin"}
    assert drawn.done.stderr == (
        "busway: 2 lines of the events seen are no events\n"
        "busway: seen, and brought by no installed plugin: order.lost\n"
    )
    assert Drawn(busway).nodes["user.login"]["seen"] is None


def test_an_audit_trail_is_events_seen(busway):
    """Its lines hold more than an event does."""
    busway.handler("all", "def handle(self, event): ...")
    (busway.directory / "trail.jsonl").write_text('{"seq": 1, "type": "user.login", "more": []}\n')
    drawn = Drawn(busway, "--seen", "trail.jsonl")
    assert (drawn.nodes["user.login"]["seen"], drawn.done.stderr) == (1, "")


def test_a_graph_in_mermaid(busway):
    """A flowchart whose nodes and edges are those of the JSON."""
    two_of_a_kind(busway)
    drawn = Drawn(busway)
    done = busway("events", "--graph")
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first == "flowchart LR"
    assert sum(" --> " in one for one in lines) == len(drawn.edges)
    for node in drawn.nodes.values():
        told = f"{node['name']} ({node['state']})" if node["state"] else node["name"]
        shape = re.compile(rf"    {node['id']}\W+{re.escape(told)}\W+")
        assert any(shape.fullmatch(one) for one in lines)
    (marked,) = [one for one in lines if one.startswith("    class ") and one.endswith(" orphan")]
    ids = {node["id"] for node in drawn.nodes.values() if node["mark"] == "orphan"}
    assert set(marked.split()[1].split(",")) == ids


def test_a_graph_is_not_folded_on_a_terminal(busway):
    """A line that a program reads stays one line."""
    name = busway.handler("a" * 90, "def handle(self, event): ...")
    parent, child = os.openpty()
    try:
        process = busway.start("events", "--graph", stdout=child)
        os.close(child)
        told = b""
        while chunk := _read(parent):
            told += chunk
        assert process.wait(60) == 0
    finally:
        os.close(parent)
    assert f'h0["{name}"]'.encode() in told


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux's way to say that the other side has closed
        return b""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--seen", "seen.jsonl"), "--seen goes with --graph."),
        (("--graph", "--seen", "none.jsonl"), "Invalid value for '--seen': 'none.jsonl'"),
        (("--graph", "--seen", "."), "Invalid value for '--seen': '.'"),
    ],
)
def test_mistakes_with_events_seen(busway, args, message):
    """One line, exit 2."""
    (busway.directory / "seen.jsonl").write_text("")
    done = busway("events", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"busway: {message}")
    assert done.stderr.count("\n") == 1
