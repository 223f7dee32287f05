"""The fixtures in suites of others: however these run async tests, and however they get them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = '''
import asyncio
import pytest
from busway import Event, EventBus, on_event

handled = []

@on_event("user.logout")
async def note(event):
    await asyncio.sleep(0)
    handled.append(event)

@pytest.fixture
def quiet(bus, mute):
    """A fixture of the suite's own that wraps ours."""
    return bus

{mark}
async def test_private(quiet, captured_events, mute, settle):
    seen = []

    class Logins:
        event_types = ["user.login"]

        async def handle(self, event):
            seen.append(event)
            self.task = asyncio.create_task(self.later())

        async def later(self):
            await asyncio.sleep(0)
            quiet.publish_soon(Event("user.created"))

    quiet.subscribe(Logins())
    event = Event("user.login")
    await quiet.publish(event)
    await settle(event)
    with mute():
        await quiet.publish(Event("user.login"))
    captured_events.assert_types("user.login", "user.created", "user.login")
    assert len(seen) == 1

{mark}
async def test_shared(shared_bus, captured_events, settle):
    event = Event("user.logout")
    EventBus.get_instance().publish_soon(event)
    await settle(event)
    assert handled == [event]
    assert captured_events.one("user.logout") == event

def test_sync(bus, captured_events, settle):
    event = Event("user.login")
    with bus.running():
        bus.publish_threadsafe(event).result(10)
    asyncio.run(settle(event))
    captured_events.assert_types("user.login")
'''
BY_NAME = "from busway_testing import bus, captured_events, mute, settle, shared_bus\n"
PLUGIN = 'pytest_plugins = ["busway_testing"]\n'
WITHOUT_ASYNCIO = ["-p", "no:asyncio"]
SCOPE = ["-o", "asyncio_default_fixture_loop_scope=function"]  # it warns until one is chosen
MODES = {
    "strict": ("@pytest.mark.asyncio", [*SCOPE, "-o", "asyncio_mode=strict"]),
    "auto": ("", [*SCOPE, "-o", "asyncio_mode=auto"]),
    "anyio": (
        '@pytest.mark.anyio\n@pytest.mark.parametrize("anyio_backend", ["asyncio"])',
        WITHOUT_ASYNCIO,
    ),
}


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, with every warning an error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("conftest", [PLUGIN, BY_NAME], ids=["as a plugin", "by name"])
@pytest.mark.parametrize("mode", MODES)
def test_fixtures_work(tmp_path: Path, mode: str, conftest: str) -> None:
    """In both modes of pytest-asyncio, and with anyio's plugin alone."""
    mark, options = MODES[mode]
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_it.py").write_text(SUITE.replace("{mark}", mark))
    done = run(tmp_path, *options)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_a_suite_that_does_not_use_it(tmp_path: Path) -> None:
    """It is installed, and neither imported nor offered."""
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_not_imported():\n"
        "    assert 'busway_testing' not in sys.modules\n"
        "def test_not_offered(bus): ...\n"
    )
    done = run(tmp_path, *WITHOUT_ASYNCIO)
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "fixture 'bus' not found" in done.stdout


def test_a_test_without_a_bus(tmp_path: Path) -> None:
    """There is nothing to watch, and each fixture says what to ask for."""
    fixtures = ["captured_events", "mute", "settle"]
    (tmp_path / "conftest.py").write_text(PLUGIN)
    tests = "".join(f"def test_{one}({one}): ...\n" for one in fixtures)
    (tmp_path / "test_it.py").write_text(tests)
    done = run(tmp_path, *WITHOUT_ASYNCIO)
    for one in fixtures:
        assert (
            f"{one} watches the buses of the fixtures, and this test has none: it needs the "
            "fixture `bus` or `shared_bus` too"
        ) in done.stdout, done.stdout + done.stderr


def test_nothing_is_kept_of_a_test(tmp_path: Path) -> None:
    """Its events are not held for as long as pytest holds the test."""
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_it.py").write_text("""
import asyncio, gc, weakref
import pytest
from busway import Event

class Thing: ...
seen = []

@pytest.mark.parametrize("name", ["bus", "shared_bus"])
def test_publish(name, request):
    bus, settle = request.getfixturevalue(name), request.getfixturevalue("settle")
    event = Event("user.login", {"thing": (thing := Thing())})
    seen.append(weakref.ref(thing))
    asyncio.run(bus.publish(event))
    asyncio.run(settle(event))

def test_afterwards():
    gc.collect()
    assert [one() for one in seen] == [None, None]
""")
    done = run(tmp_path, *WITHOUT_ASYNCIO)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_import_is_cheap() -> None:
    """It makes no event loop and no bus, imports no plugin, and reads no metadata."""
    code = """
import sys, asyncio
def refuse(*args, **options): raise AssertionError("it makes a loop")
asyncio.base_events.BaseEventLoop.__init__ = refuse
import busway_testing, busway
assert busway.EventBus._instance is None
unwanted = {"importlib_metadata", "pluggy", "busway.plugins", "busway_audit", "busway_notify"}
import pytest  # it has pluggy
print(sorted(unwanted & set(sys.modules) - {"pluggy"}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
