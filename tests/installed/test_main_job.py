"""Real events go in, every installed plugin sees them, and nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.environments import Environment

AUDIT = "busway_audit.handler.AuditLogHandler"
NOTIFY = "busway_notify.handler.NotificationHandler"
CHANNELS = {"BUSWAY_NOTIFY__CHANNELS": '["jsonl:sent.jsonl"]'}
TYPES = {
    "user.login_failed": 490,
    "user.login": 123,
    "user.logout": 123,
    "error.occurred": 89,
    "audit.log": 909,
}


def _report(environment: Environment, events: Path, **env: str) -> dict[str, object]:
    done = environment.run("run", events, "--json", env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _sent(environment: Environment) -> Counter[str]:
    lines = (environment.work / "sent.jsonl").read_text().splitlines()
    return Counter(json.loads(line)["kind"] for line in lines)


def test_every_event_is_read_and_published(full: Environment, linux_auth: Path) -> None:
    """1,734 of them, none rejected, none failed, each type as counted independently."""
    report = _report(full, linux_auth)
    counts = {name: report[name] for name in ("read", "published", "rejected", "failed", "blocked")}
    assert counts == {"read": 1734, "published": 1734, "rejected": 0, "failed": 0, "blocked": 0}
    assert report["events"] == TYPES


def test_the_alerts_are_those_counted_independently(full: Environment, linux_auth: Path) -> None:
    """41 for brute force, 43 for critical errors: see the data's NOTICE."""
    _report(full, linux_auth, **CHANNELS)
    assert _sent(full) == {"brute_force": 41, "critical_error": 43}


def test_the_audit_trail_holds_every_event_published(full: Environment, linux_auth: Path) -> None:
    """`busway audit verify` counts them, nested ones included, on its last line."""
    report = _report(full, linux_auth)
    done = full.run("audit", "verify", "audit")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) == report["published"] + report["nested"] == 1734


def _active(environment: Environment) -> list[str]:
    """The plugins that run; what changes what others see is off until it is enabled."""
    return [name for name, row in environment.plugins().items() if row["state"] == "active"]


def test_without_the_audit_plugin_the_rest_works(full: Environment, linux_auth: Path) -> None:
    """No trail, all alerts, and `busway plugins` knows no audit."""
    full.uninstall("busway-audit")
    report = _report(full, linux_auth, **CHANNELS)
    assert NOTIFY in report["handlers"]
    assert AUDIT not in report["handlers"]
    assert _sent(full) == {"brute_force": 41, "critical_error": 43}
    assert "notify" in _active(full)
    assert "audit" not in _active(full)
    assert full.run("audit", "verify", "audit").returncode == 2


def test_without_the_notify_plugin_the_rest_works(full: Environment, linux_auth: Path) -> None:
    """A trail of all events, and `busway plugins` knows no notify."""
    full.uninstall("busway-notify")
    report = _report(full, linux_auth)
    assert AUDIT in report["handlers"]
    assert NOTIFY not in report["handlers"]
    assert full.run("audit", "verify", "audit").stdout.split()[-1] == "1734"
    assert "audit" in _active(full)
    assert "notify" not in _active(full)


def test_without_the_command_line_the_plugins_work(full: Environment) -> None:
    """An application loads and uses them by itself."""
    full.uninstall("busway-cli")
    code = """
import asyncio
from busway import Event, EventBus, load_plugins

async def main():
    bus = EventBus.get_instance()
    report = load_plugins()
    async with bus:
        result = await bus.publish(Event("user.created", {"email": "ada@example.org"}))
    print(result.ok, *(row.name for row in report if row.state == "active"))

asyncio.run(main())
"""
    done = full.run("-c", code)
    assert done.stdout.startswith("True "), done.stderr
    assert {"audit", "notify"} <= set(done.stdout.split())
    assert not (full.path / "bin" / "busway").exists()


BROKEN = {
    "raises": ("raise RuntimeError('no good')", "raises:Handler", "no good"),
    "lacking": ("import not_installed", "lacking:Handler", "not_installed"),
    "missing": ("", "not_there:Handler", "not_there"),
}
HANDLER = """
from busway import ANY, EventHandler

class Handler(EventHandler):
    def __init__(self, size: int = 1) -> None:
        self.size = size

    @property
    def event_types(self):
        return [ANY]

    async def handle(self, event):
        print("seen", event.type)
"""


def _package(folder: Path, name: str, source: str, entry_point: str, plugin: str) -> Path:
    """A third party's distribution: a pyproject and a module, nothing else."""
    folder.mkdir()
    (folder / f"{name}.py").write_text(source)
    (folder / "pyproject.toml").write_text(f"""
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "1.0"
dependencies = ["busway>=0.1"]
[project.entry-points."busway.handlers"]
{plugin} = "{entry_point}"
[tool.hatch.build.targets.wheel]
include = ["{name}.py"]
""")
    return folder


@pytest.fixture
def one_event(full: Environment) -> Path:
    """A file with one event."""
    path = full.work / "one.jsonl"
    path.write_text(
        '{"type": "user.login", "payload": {}, "timestamp": "2026-01-02T03:04:05+00:00"}\n'
    )
    return path


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_plugin_that_cannot_be_imported_is_named(
    name: str, full: Environment, one_event: Path, tmp_path: Path
) -> None:
    """With its reason; the rest runs, and strict exits 2."""
    source, entry_point, reason = BROKEN[name]
    full.install(_package(tmp_path / name, name, source, entry_point, name))
    row = full.plugins()[name]
    assert row["state"] == "failed"
    assert reason in row["reason"]
    done = full.run("run", one_event, "--json")
    assert json.loads(done.stdout)["handlers"][AUDIT]["ok"] == 1
    assert name in done.stderr
    strict = full.run("run", one_event, env={"BUSWAY_STRICT": "1"})
    assert strict.returncode == 2
    assert name in strict.stderr
    assert "Traceback" not in done.stderr + strict.stderr


def test_a_plugin_whose_settings_are_wrong_is_named(full: Environment, one_event: Path) -> None:
    """With plugin, key and where it was read; the rest runs, and strict exits 2."""
    (full.work / "busway.toml").write_text('[plugins.audit]\nbuffer_size = "many"\n')
    reason = full.plugins()["audit"]["reason"]
    for part in ("audit", "buffer_size", "busway.toml"):
        assert part in reason
    done = full.run("run", one_event, "--json")
    assert NOTIFY in json.loads(done.stdout)["handlers"]
    assert AUDIT not in json.loads(done.stdout)["handlers"]
    assert "buffer_size" in done.stderr
    assert full.run("run", one_event, env={"BUSWAY_STRICT": "1"}).returncode == 2


def test_two_plugins_of_one_name_are_both_named(
    full: Environment, one_event: Path, tmp_path: Path
) -> None:
    """Neither runs until the settings say which; the rest does."""
    full.install(_package(tmp_path / "rival", "rival", HANDLER, "rival:Handler", "audit"))
    done = full.run("plugins", "--json")
    rows = [row for row in json.loads(done.stdout) if row["name"] == "audit"]
    assert [(row["distribution"], row["state"]) for row in rows] == [
        ("busway-audit", "conflict"),
        ("rival", "conflict"),
    ]
    assert full.run("run", one_event, env={"BUSWAY_STRICT": "1"}).returncode == 2
    chosen = full.run("run", one_event, env={"BUSWAY_AUDIT__DISTRIBUTION": "rival"})
    assert "seen user.login" in chosen.stdout


def test_a_third_party_plugin_is_live_once_installed(
    full: Environment, one_event: Path, tmp_path: Path
) -> None:
    """With no other step, and gone when it is uninstalled."""
    folder = _package(tmp_path / "third", "third", HANDLER, "third:Handler", "third")
    full.install(folder)
    assert "seen user.login" in full.run("run", one_event).stdout
    full.uninstall("third")
    assert "seen" not in full.run("run", one_event).stdout
    assert "third" not in full.plugins()
