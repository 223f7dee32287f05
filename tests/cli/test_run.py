"""`busway run`: what it publishes, counts and reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data" / "linux-auth.jsonl"
FIELDS = {
    "read", "rejected", "published", "nested", "blocked", "failed", "events", "handlers",
    "health", "seconds",
}  # fmt: skip


def report_of(done, code=0):
    assert (done.returncode, done.stderr if code == 0 else "") == (code, "")
    return json.loads(done.stdout)


def test_json_is_one_object_with_all_fields(busway, line):
    """`--json` prints one object and nothing else, with every field of the report."""
    done = busway("run", "--json", stdin=line() + line("user.logout") + line())
    report = report_of(done)
    assert done.stdout.count("\n") == 1
    assert set(report) == FIELDS
    counts = [report[one] for one in ("read", "rejected", "published", "nested", "blocked")]
    assert counts == [3, 0, 3, 0, 0]
    assert report["failed"] == 0
    assert report["events"] == {"user.login": 2, "user.logout": 1}
    assert report["seconds"] > 0


def test_no_input_is_well(busway):
    """An empty input is reported, with zeros."""
    report = report_of(busway("run", "-", "--json"))
    assert (report["read"], report["published"], report["events"]) == (0, 0, {})


def test_events_come_in_order(busway, line):
    """A handler sees the events in the input's order, each after the last was handled."""
    busway.handler(
        "order",
        """
        seen = []
        async def handle(self, event):
            await asyncio.sleep(0.001 * (3 - event.payload["n"]))
            self.seen.append(event.payload["n"])
        def health(self):
            return {"seen": str(self.seen)}
        """,
    )
    report = report_of(busway("run", "--json", stdin="".join(line(n=n) for n in range(4))))
    assert report["health"]["plugin_order.Plugin"] == {"seen": "[0, 1, 2, 3]"}


def test_nested_events_are_told_apart(busway, line):
    """What handlers publish, awaited or not, counts as nested, by type and by handler."""
    name = busway.handler(
        "chain",
        """
        async def handle(self, event):
            bus = EventBus.get_instance()
            if event.type == "user.login":
                await bus.publish(Event("audit.log"))
                bus.publish_soon(Event("item.created"))
        """,
    )
    report = report_of(busway("run", "--json", stdin=line() * 3))
    assert (report["published"], report["nested"]) == (3, 6)
    assert report["events"] == {"user.login": 3, "audit.log": 3, "item.created": 3}
    assert report["handlers"][name]["ok"] == 9


def test_each_status_is_counted(busway, line):
    """ok, failed, cancelled and skipped are counted by handler; what failed makes the exit 1."""
    busway.install(
        "skipper",
        """
        from busway import SkipHandler
        def Plugin(handler, call_next):
            async def call(event):
                if event.payload["do"] == "skip":
                    raise SkipHandler
                await call_next(event)
            return call
        """,
        group="busway.interceptors",
    )
    name = busway.handler(
        "moody",
        """
        async def handle(self, event):
            if event.payload["do"] == "fail":
                raise ValueError("no")
            if event.payload["do"] == "cancel":
                raise asyncio.CancelledError
        """,
    )
    lines = "".join(line(do=do) for do in ["ok", "fail", "fail", "cancel", "skip", "ok", "ok"])
    report = report_of(busway("run", "--json", stdin=lines), code=1)
    assert report["handlers"] == {name: {"ok": 3, "failed": 2, "cancelled": 1, "skipped": 1}}
    assert report["failed"] == 2


def test_a_cancelled_handler_alone_makes_the_exit_1(busway, line):
    """A handler that cancels itself has not done its work."""
    busway.handler("quits", "async def handle(self, event): raise asyncio.CancelledError")
    done = busway("run", "--json", stdin=line())
    assert (done.returncode, json.loads(done.stdout)["failed"]) == (1, 0)


def test_a_retry_that_succeeds_is_ok(busway, line):
    """The counts are of what the bus sees, outside all interceptors of plugins."""
    busway.install(
        "retry",
        """
        def Plugin(handler, call_next):
            async def call(event):
                try:
                    await call_next(event)
                except ValueError:
                    await call_next(event)
            return call
        """,
        group="busway.interceptors",
    )
    name = busway.handler(
        "flaky",
        """
        tries = 0
        async def handle(self, event):
            self.tries += 1
            if self.tries == 1:
                raise ValueError
        """,
    )
    report = report_of(busway("run", "--json", stdin=line()))
    assert report["handlers"][name] == {"ok": 1, "failed": 0, "cancelled": 0, "skipped": 0}


def test_handlers_never_called_are_reported(busway, line):
    """A handler that had nothing to do stands there with zeros."""
    name = busway.handler("idle", "def handle(self, event): pass", types='["item.deleted"]')
    report = report_of(busway("run", "--json", stdin=line()))
    assert report["handlers"] == {name: {"ok": 0, "failed": 0, "cancelled": 0, "skipped": 0}}


def test_handlers_of_one_name_are_told_apart(busway, line):
    """Two handlers of one class have two rows, named as in health."""
    busway.install(
        "two",
        """
        from busway import ANY, EventHandler, hookimpl
        class One(EventHandler):
            event_types = [ANY]
            def handle(self, event): pass
            def health(self): return {"here": 1}
        class Plugin:
            @hookimpl
            def busway_handlers(settings):
                return [One(), One()]
        """,
        group="busway.plugins",
    )
    report = report_of(busway("run", "--json", stdin=line()))
    assert list(report["handlers"]) == ["plugin_two.One", "plugin_two.One#2"]
    assert list(report["health"]) == list(report["handlers"])
    assert {counts["ok"] for counts in report["handlers"].values()} == {1}


def test_blocked_events_are_counted(busway, line):
    """An event that a middleware stops is blocked, not published, and no failure."""
    busway.install(
        "gate",
        "def Plugin(event): return None if event.payload['stop'] else event",
        group="busway.middleware",
    )
    lines = line(stop=True) + line(stop=False) + line(stop=True)
    report = report_of(busway("run", "--json", stdin=lines))
    assert (report["blocked"], report["published"], report["nested"]) == (2, 1, 0)
    assert report["events"] == {"user.login": 1}


def test_a_failing_middleware_is_a_failure(busway, line):
    """An event whose middleware raises is named with its line, counted, and the rest goes on."""
    busway.install(
        "gate",
        """
        def Plugin(event):
            if event.payload["n"] == 2:
                raise KeyError("who")
            return event
        """,
        group="busway.middleware",
    )
    done = busway("run", "--json", stdin="".join(line(n=n) for n in (1, 2, 3)))
    report = report_of(done, code=1)
    assert (report["failed"], report["published"], report["blocked"]) == (1, 2, 0)
    assert "busway: line 2 was not published: MiddlewareError: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["handlers", "middleware"])
def test_a_plugin_cannot_exit(busway, line, where):
    """`sys.exit` in a plugin ends no run: it is a failure like another."""
    if where == "handlers":
        busway.handler("quits", "def handle(self, event): sys.exit(7)", types='["user.logout"]')
    else:
        code = "import sys\ndef Plugin(e): return sys.exit(7) if e.type == 'user.logout' else e"
        busway.install("quits", code, group="busway.middleware")
    done = busway("run", "--json", stdin=line() + line("user.logout") + line())
    report = report_of(done, code=1)
    assert (report["read"], report["failed"], report["nested"]) == (3, 1, 0)
    assert report["published"] == (3 if where == "handlers" else 2)
    assert "busway: line 2" in done.stderr
    assert "SystemExit: 7" in done.stderr


def test_a_background_exit_is_reported(busway, line):
    """`sys.exit` in a task of a plugin stops the loop; the report comes all the same."""
    busway.handler(
        "quits",
        """
        async def handle(self, event):
            if event.type == "user.login":
                EventBus.get_instance().publish_soon(Event("audit.log"))
            else:
                sys.exit(7)
            await asyncio.sleep(0)
        """,
    )
    done = busway("run", "--json", stdin=line() * 3)
    report = report_of(done, code=1)
    assert (report["published"], report["nested"], report["failed"] > 0) == (1, 1, True)
    assert "busway: a plugin ended the run: SystemExit: 7" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bus_that_a_plugin_closes(busway, line):
    """Where a plugin closes the bus, the run ends with a failure that says so."""
    busway.handler("closes", "def handle(self, event): EventBus.get_instance().close()")
    done = busway("run", "--json", stdin=line() * 3)
    report = report_of(done, code=1)
    assert (report["published"], report["failed"]) == (1, 1)
    assert "busway: line 2 was not published: BusClosedError: the bus is closed" in done.stderr


def test_health_is_asked_after_the_stop(busway, line):
    """Health tells of what was flushed when the handler stopped."""
    name = busway.handler(
        "buffer",
        """
        flushed = 0
        def handle(self, event): pass
        async def stop(self): self.flushed = 5
        def health(self): return {"flushed": self.flushed}
        """,
    )
    assert report_of(busway("run", "--json", stdin=line()))["health"] == {name: {"flushed": 5}}


def test_a_handler_that_does_not_start(busway, line):
    """It is in health and in the counts, named on stderr, and a failure; the rest runs."""
    bad = busway.handler(
        "bad",
        """
        async def start(self, bus): raise OSError("no such database")
        def handle(self, event): pass
        """,
    )
    good = busway.handler("good", "def handle(self, event): pass")
    done = busway("run", "--json", stdin=line())
    report = report_of(done, code=1)
    assert "no such database" in report["health"][bad]["error"]
    assert report["failed"] == 1
    assert (report["handlers"][bad]["ok"], report["handlers"][good]["ok"]) == (0, 1)
    assert f"busway: handler {bad} did not start" in done.stderr


def test_a_handler_that_does_not_stop_well(busway, line):
    """A flush that fails at the end is named, and the exit code tells."""
    name = busway.handler(
        "full",
        """
        def handle(self, event): pass
        async def stop(self): raise OSError(28, "No space left on device")
        """,
    )
    done = busway("run", "--json", stdin=line())
    assert report_of(done, code=1)["failed"] == 1
    assert f"busway: handler {name} did not stop well: OSError: " in done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_try_that_is_made_again_is_told(busway, line):
    """With why, by the library that plugins try again with; not by the bare name of its event."""
    busway.handler(
        "again",
        """
        async def handle(self, event):
            import stamina
            again = stamina.retry_context(on=OSError, attempts=7, wait_initial=0, wait_jitter=0)
            async for attempt in again:
                with attempt:
                    if attempt.num < 7: raise OSError("busy")
        """,
    )
    told = busway("run", stdin=line()).stderr.splitlines()
    assert told == [
        *["busway: a try failed, another follows: OSError('busy')"] * 5,
        "busway: tries that failed: 1 more, 6 in all",
    ]


def test_failures_are_cut_after_five(busway, line):
    """One handler's failures are told five times, each in one line, and the rest as a number."""
    busway.handler("bad", 'def handle(self, event): raise ValueError("no\\nnever")')
    busway.handler("worse", 'def handle(self, event): raise KeyError("x")', types='["user.login"]')
    done = busway("run", stdin=line() * 12)
    told = done.stderr.splitlines()
    assert [one for one in told if not one.startswith("busway: ")] == []
    assert len([one for one in told if "plugin_bad.Plugin failed" in one]) == 5
    assert r"ValueError: no\nnever" in told[0]
    assert "busway: failures of plugin_bad.Plugin: 7 more, 12 in all" in told
    assert "busway: failures of plugin_worse.Plugin: 7 more, 12 in all" in told


def test_verbose_shows_tracebacks(busway, line):
    """`--verbose` shows where a handler failed; without it no traceback is seen."""
    busway.handler("bad", 'def handle(self, event): raise ValueError("no")')
    assert "Traceback" not in busway("run", stdin=line()).stderr
    assert "Traceback (most recent call last)" in busway("run", "-v", stdin=line()).stderr


def test_prints_of_plugins(busway, line):
    """What a plugin prints is on stdout, but on stderr with `--json`, from its import on."""
    busway.install(
        "loud",
        """
        from busway import ANY, EventHandler
        print("imported")
        class Plugin(EventHandler):
            event_types = [ANY]
            def handle(self, event): print("handled")
        """,
    )
    done = busway("run", "--json", stdin=line())
    assert json.loads(done.stdout)["published"] == 1
    assert done.stderr == "imported\nhandled\n"
    assert busway("run", stdin=line()).stdout.startswith("imported\nhandled\n")


def test_odd_health_is_still_json(busway, line):
    """Whatever a plugin says of itself, the report is JSON."""
    name = busway.handler(
        "odd",
        """
        def handle(self, event): pass
        def health(self): return {1: float("nan"), "b": b"x", "l": [1, {2}], "s": "\\udc80"}
        """,
    )
    done = busway("run", "--json", stdin=line())
    told = json.loads(done.stdout, parse_constant=pytest.fail)["health"][name]
    assert told == {"1": "nan", "b": "b'x'", "l": [1, "{2}"], "s": "\udc80"}
    assert busway("run", stdin=line()).returncode == 0


def test_the_human_report_is_not_cut_in_a_pipe(busway, line):
    """Names and texts longer than any terminal are whole where nobody watches."""
    long = "plugin" + "_of_some_length" * 20
    name = busway.handler(
        "long",
        f"""
        name = "{long}"
        def handle(self, event): pass
        def health(self): return {{"[bold]says": "{long * 3}"}}
        """,
    )
    assert name
    done = busway("run", stdin=line())
    assert done.returncode == 0
    words = done.stdout.split()
    assert {long, long * 3, "[bold]says", "user.login", "dispatched"} <= set(words)
    assert words[:6] == ["read", "rejected", "published", "nested", "blocked", "failed"]
    assert words[6:12] == ["1", "0", "1", "0", "0", "0"]
    assert all(row == row.rstrip() for row in done.stdout.splitlines())


def test_types_of_plugins_are_read(busway, line):
    """An event of a plugin's own type is published like any other."""
    busway.install(
        "orders",
        """
        from enum import StrEnum
        class Plugin(StrEnum):
            SHIPPED = "order.shipped"
        """,
        group="busway.event_types",
    )
    assert report_of(busway("run", "--json", stdin=line("order.shipped")))["events"] == {
        "order.shipped": 1
    }


def test_broken_plugins_are_named_and_the_rest_runs(busway, line):
    """One that fails and one that is brought twice: a line each; the exit code says nothing."""
    busway.install("broken", "raise RuntimeError('at\\nimport')")
    busway.install("twice", "class Plugin: pass", distribution="one")
    busway.install("twice", "class Plugin: pass", distribution="two")
    name = busway.handler("good", "def handle(self, event): pass")
    done = busway("run", "--json", stdin=line())
    assert done.returncode == 0
    assert json.loads(done.stdout)["handlers"][name]["ok"] == 1
    told = done.stderr.splitlines()
    assert len(told) == 3
    assert told[0].startswith("busway: plugin broken is failed: import: RuntimeError: at")
    assert [one.startswith("busway: plugin twice is conflict") for one in told[1:]] == [True, True]


def test_strict_refuses_broken_plugins(busway, line):
    """`BUSWAY_STRICT=1`: nothing runs, the exit is 2, every broken plugin is named."""
    busway.install("broken", "raise RuntimeError('at import')")
    busway.install("worse", "import no_such_module")
    done = busway("run", "--json", stdin=line(), env={"BUSWAY_STRICT": "1"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "plugin broken" in done.stderr
    assert "no_such_module" in done.stderr
    assert all(one.startswith("busway: ") for one in done.stderr.splitlines())


def test_settings_that_cannot_be_read(busway, line):
    """A broken busway.toml: one line, exit 2, and the rejects of before are left alone."""
    (busway.directory / "busway.toml").write_text("[plugins\n")
    (busway.directory / "rejects").write_text("from before")
    done = busway("run", "--rejects", "rejects", stdin=line())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("busway: ")
    assert "busway.toml" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (busway.directory / "rejects").read_text() == "from before"


def test_warnings_of_plugins_are_one_line(busway, line):
    """What a plugin logs as a warning is one line; less than that is not shown."""
    busway.handler(
        "logs",
        """
        def handle(self, event):
            import logging
            log = logging.getLogger("busway.logs")
            log.info("quiet")
            log.warning("two\\nlines \\x1b[31m")
            log.warning("%d", "no number")
        """,
    )
    done = busway("run", stdin=line())
    assert done.stderr.splitlines() == [r"busway: two\nlines \x1b[31m", "busway: %d"]


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
def test_real_events(busway):
    """1,734 real events: all read, all published, none rejected."""
    name = busway.handler("all", "def handle(self, event): pass")
    report = report_of(busway("run", str(DATA), "--json"))
    assert (report["read"], report["published"], report["rejected"]) == (1734, 1734, 0)
    assert report["handlers"][name]["ok"] == 1734
    assert report["events"] == {
        "user.login_failed": 490,
        "user.login": 123,
        "user.logout": 123,
        "error.occurred": 89,
        "audit.log": 909,
    }


def test_the_loop_comes_round(busway, line):
    """The run yields now and then, so that what handlers publish in the background gets its turn.

    More than `max_pending` of it in all, by a handler that never suspends.
    """
    busway.handler(
        "echo",
        "def handle(self, event): EventBus.get_instance().publish_soon(Event('audit.log'))",
        types='["user.login"]',
    )
    (busway.directory / "e").write_text(line() * 10_500)
    report = report_of(busway("run", "e", "--json"))
    assert (report["published"], report["nested"]) == (10_500, 10_500)
