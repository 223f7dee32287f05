"""What `busway new` makes is installed, active, tested, clean and typed; and then gone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.environments import Environment, call, uv

KINDS = ("handler", "middleware", "event-types", "plugin")
HANDLERS = ("handler", "plugin")


@dataclass(frozen=True)
class Made:
    """A plugin that was made, built and installed, and the commands that were told.

    Attributes:
        install, show, test: what to type next.
    """

    kind: str
    name: str
    wheel: Path
    install: str
    show: str
    test: str
    environment: Environment

    @property
    def folder(self) -> Path:
        return self.environment.work / self.name

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Type a command in a fresh shell, where the plugin was made."""
        return typed(self.environment, command)

    def state(self) -> str:
        """What `busway plugins` says, as it was told to be typed; empty if it is not there."""
        done = self.type(f"{self.show} --json")
        assert done.returncode == 0, done.stderr
        return {row["name"]: row["state"] for row in json.loads(done.stdout)}.get(self.name, "")

    @contextmanager
    def uninstalled(self) -> Iterator[None]:
        self.environment.uninstall(self.name)
        try:
            yield
        finally:
            self.environment.install(self.wheel)

    @contextmanager
    def without_entry_point(self) -> Iterator[None]:
        (path,) = self.environment.path.glob(
            f"lib/*/site-packages/{self.name.replace('-', '_')}-*.dist-info/entry_points.txt"
        )
        text = path.read_text()
        path.write_text("")
        try:
            yield
        finally:
            path.write_text(text)


def typed(environment: Environment, command: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if "BUSWAY" not in name}
    clean.pop("PYTHONPATH", None)
    path = os.pathsep.join([str(environment.path / "bin"), clean["PATH"]])
    return subprocess.run(
        ["bash", "-c", command],
        cwd=environment.work,
        env={**clean, "PATH": path, "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path]) -> Environment:
    """The environment of an author: the bus, the command and the kit; an empty folder."""
    folder = tmp_path_factory.mktemp("author")
    made = Environment(folder / "venv", folder / "work")
    made.work.mkdir()
    call(uv(), "venv", "-q", "--python", sys.executable, str(made.path))
    made.install("pip", *(wheels[name] for name in ("busway", "busway-cli", "busway-testing")))
    return made


def make(author: Environment, kind: str, name: str) -> tuple[str, str, str]:
    """Make a plugin; what to type next."""
    done = author.run("new", kind, name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "busway-testing" not in done.stdout  # it is there
    install, show, test = (
        line.strip() for line in done.stdout.splitlines() if line.startswith("    ")
    )
    return install, show, test


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, author: Environment) -> Iterator[Made]:
    """Each kind of plugin in turn, installed from its wheel."""
    name = f"acme-{request.param}"
    told = make(author, request.param, name)
    dist = author.work.parent / "dist"
    call(uv(), "build", "-q", "--wheel", "-o", str(dist), str(author.work / name))
    (wheel,) = dist.glob(f"{name.replace('-', '_')}-*.whl")
    author.install(wheel)
    yield Made(request.param, name, wheel, *told, author)
    author.uninstall(name)


def test_it_is_active(made: Made) -> None:
    """`busway plugins`, as it was told to be typed, shows it."""
    assert made.state() == "active"


def test_middleware_alone_is_off_by_default(made: Made) -> None:
    """All other kinds are active with no settings at all."""
    state = made.environment.plugins()[made.name]["state"]
    assert state == ("disabled" if made.kind == "middleware" else "active")


def test_its_own_tests_pass(made: Made) -> None:
    """All of them, and none is skipped: typed as it was told, in the folder above."""
    done = made.type(f"{made.test} -q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed in [^,]*$", done.stdout, re.MULTILINE)


def test_the_example_of_its_readme_runs(made: Made) -> None:
    """The event is read; what handles it counts it."""
    (command,) = re.findall(r"^echo .+ busway run$", _readme(made), re.MULTILINE) or [
        "true | busway run"
    ]
    done = made.type(f"{command} --json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["published"], report["rejected"]) == (int("echo" in command), 0)
    counts = [one["ok"] for one in report["handlers"].values()]
    assert counts == ([1] if made.kind in HANDLERS else [])


def _readme(made: Made) -> str:
    return (made.folder / "README.md").read_text(encoding="utf-8")


def test_ruff_finds_nothing(made: Made) -> None:
    """Neither its rules nor its formatter, by the plugin's own settings."""
    for command in (["check"], ["format", "--check"]):
        call(sys.executable, "-m", "ruff", *command, "--no-cache", cwd=made.folder)


def test_mypy_finds_nothing(made: Made, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In package and tests, strictly, with the types of what is installed."""
    cache = tmp_path_factory.getbasetemp() / "mypy-of-new-plugins"
    done = call(
        *(sys.executable, "-m", "mypy", "--strict"),
        *("--python-executable", made.environment.python, "--cache-dir", str(cache)),
        cwd=made.folder,
    )
    assert re.match(r"Success: no issues found in \d+ source files", done.stdout)


def test_its_wheel_holds_the_package_alone(made: Made) -> None:
    """With its types, and without its tests."""
    package = made.name.replace("-", "_")
    with zipfile.ZipFile(made.wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {package}
    assert f"{package}/py.typed" in names


def test_uninstalled_it_is_gone(made: Made) -> None:
    """Nothing of it is left for `busway plugins`."""
    with made.uninstalled():
        assert made.state() == ""
    assert made.state() == "active"


def test_without_its_entry_point_its_tests_fail(made: Made) -> None:
    """And say why: the plugin, and what is missing."""
    with made.without_entry_point():
        done = made.type(f"{made.test} -q")
    assert done.returncode == 1
    assert re.search(rf"entry point.*{made.name}|{made.name}.*entry point", done.stdout)


def test_from_an_empty_folder_to_a_counted_event(author: Environment) -> None:
    """What is told to be typed next is true as it stands, with pip and in fresh shells."""
    install, show, test = make(author, "handler", "acme-orders")
    try:
        for command in (f"{install} -q", show, test):
            done = typed(author, command)
            assert done.returncode == 0, done.stdout + done.stderr
            if command == show:
                assert re.search(r"^acme-orders .* active\b", done.stdout, re.MULTILINE)
        event = '{"type": "user.created", "payload": {}, "timestamp": "2026-01-02T03:04:05Z"}'
        report = json.loads(author.run("run", "--json", stdin=event).stdout)
        assert report["handlers"]["acme_orders.handler.AcmeOrdersHandler"]["ok"] == 1
    finally:
        author.uninstall("acme-orders")


def test_without_the_kit_its_tests_say_what_to_install(
    author: Environment, wheels: dict[str, Path]
) -> None:
    """In one line, and they do not pass; `busway new` said so too."""
    author.uninstall("busway-testing")
    try:
        done = author.run("new", "handler", "acme-early")
        assert "need busway-testing" in done.stdout.splitlines()[-1]
        done = typed(author, "pytest -q acme-early")
    finally:
        author.install(wheels["busway-testing"])
    assert done.returncode not in (0, 5)
    assert "need busway-testing: install it" in done.stdout + done.stderr
