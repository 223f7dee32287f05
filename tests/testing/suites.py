"""Plugins made on the spot, and a pytest in a process of its own that runs the kit on them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from xml.etree import ElementTree as ET

__all__ = ["Plugin", "Verdict", "judge", "lay_out", "run_pytest"]

PRELUDE = """
import asyncio, contextlib, sys, threading, time
from enum import StrEnum
import busway
from busway import ANY, Event, EventBus, EventHandler, EventType, on_event
"""

IMPORTS = "test_import_does_nothing_else"

CONFTEST = f"""
from busway_testing import _cancelling, _handling, _leaks
_cancelling.BRAKE = _handling.BRAKE = _leaks.BRAKE = 1  # what hangs is to be told soon

def pytest_collection_modifyitems(items):
    items[:] = [one for one in items if one.originalname != {IMPORTS!r} or one.cls.imports]
"""


@dataclass(frozen=True)
class Plugin:
    """One that is wrong in one way, or in none.

    Attributes:
        code: of its module; what it brings is called `Plugin`.
        fails: the one test that is to fail, none if it is well.
        told: what that test says.
        requires: what its distribution requires.
        attribute: what its entry point names; the module if it is empty.
        group: of its entry point; that of its kind if it is empty.
        suite: the body of its class in the tests.
        distributions: how many bring it.
        also: more entry points.
    """

    code: str
    fails: str = ""
    told: str = ""
    requires: str = "busway>=0.1"
    attribute: str = "Plugin"
    group: str = ""
    suite: str = ""
    distributions: int = 1
    also: str = ""

    @property
    def is_about_import(self) -> bool:
        """Whether its import is looked at, which takes two processes."""
        return self.fails in ("", IMPORTS, "test_entry_point_resolves")


@dataclass(frozen=True)
class Verdict:
    """What the kit found: the tests that failed, with what they say, and those skipped."""

    failed: dict[str, str]
    skipped: dict[str, str]
    passed: set[str]


def judge(folder: Path, kind: str, group: str, plugins: dict[str, Plugin]) -> dict[str, Verdict]:
    """Run the kit's class for a kind on plugins, all of them in one process."""
    lay_out(folder, kind, group, plugins)
    done = run_pytest(folder, "--junitxml=told.xml")
    assert (folder / "told.xml").exists(), done.stdout + done.stderr
    told = ET.parse(folder / "told.xml")
    return {name: _verdict(told, f"test_them.Test_{_module(name)}") for name in plugins}


def lay_out(folder: Path, kind: str, group: str, plugins: dict[str, Plugin]) -> None:
    """Install plugins in a folder, and write their tests there."""
    lines = [
        "import pytest",
        "from busway import Event",
        f"from busway_testing import {kind}",
    ]
    for name, plugin in plugins.items():
        _install(folder, name, plugin, group)
        suite = indent(dedent(plugin.suite), "    ")
        lines.append(f"class Test_{_module(name)}({kind}):\n    plugin = {name!r}\n{suite}")
        lines.append(f"    imports = {plugin.is_about_import!r}")
    (folder / "test_them.py").write_text("\n".join(lines))
    (folder / "conftest.py").write_text(CONFTEST)


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, with the plugins of a folder and no settings.

    And as at a desk: where it finds `CI` or `BUILD_NUMBER`, it tells the messages twice.
    """
    unwanted = ("PYTEST", "BUSWAY", "PYTHONASYNCIODEBUG", "CI", "BUILD_NUMBER")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            *options,
        ],
        cwd=folder,
        env=kept | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )


def _module(name: str) -> str:
    return name.replace("-", "_")


def _install(folder: Path, name: str, plugin: Plugin, group: str) -> None:
    """Make a distribution that is discovered: a module, its metadata and its entry point."""
    module = f"plugin_{_module(name)}"
    value = f"{module}:{plugin.attribute}" if plugin.attribute else module
    (folder / f"{module}.py").write_text(PRELUDE + dedent(plugin.code))
    for number in range(plugin.distributions):
        info = folder / f"x_{_module(name)}{number or ''}-1.0.dist-info"
        info.mkdir()
        requires = f"Requires-Dist: {plugin.requires}\n" if plugin.requires else ""
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: x-{name}{number or ''}\nVersion: 1.0\n{requires}"
        )
        (info / "entry_points.txt").write_text(
            f"[{plugin.group or group}]\n{name} = {value}\n{plugin.also}\n"
        )


def _verdict(told: ET.ElementTree, suite: str) -> Verdict:
    failed, skipped, passed = {}, {}, set()
    for case in told.iter("testcase"):
        if case.get("classname") != suite:
            continue
        name = case.get("name", "")
        failure, error, skip = (case.find(one) for one in ("failure", "error", "skipped"))
        if failure is not None or error is not None:
            found = failure if failure is not None else error
            failed[name] = f"{found.get('message')}\n{found.text}"
        elif skip is not None:
            skipped[name] = skip.get("message", "")
        else:
            passed.add(name)
    return Verdict(failed, skipped, passed)
