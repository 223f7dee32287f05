"""The examples are plugins as anybody else's: installed, tested, and checked."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import ROOT, steps_of
from tests.examples.conftest import EXAMPLES

if TYPE_CHECKING:
    from tests.docs.conftest import Play
    from tests.environments import Environment

PROJECTS = {
    name: tomllib.loads((ROOT / "docs/examples" / name / "pyproject.toml").read_text())["project"]
    for name in EXAMPLES
}
NO_SETTINGS = {"BUSWAY_CONFIG": "/dev/null"}


def test_all_three_are_found() -> None:
    """The tests below are about something."""
    assert EXAMPLES == ["fastapi-app", "shop-events", "sqlite-projection"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_active_once_installed(name: str, examples: Environment) -> None:
    """All plugins that its entry points name, but for commands."""
    points = PROJECTS[name]["entry-points"]
    plugins = {one for group in points if group != "busway.commands" for one in points[group]}
    rows = examples.plugins(NO_SETTINGS)
    assert {one: rows[one]["state"] for one in plugins} == dict.fromkeys(plugins, "active")
    assert {one for one in rows if rows[one]["distribution"] == name} == plugins


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_passes_its_own_tests(name: str, examples: Environment) -> None:
    """All of them, against the installed distribution."""
    quiet = {"PYTHONASYNCIODEBUG": ""}  # it writes to stderr when a machine is slow
    done = examples.run("-m", "pytest", "-q", "-rs", examples.work / name, env=quiet)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "SKIPPED" not in done.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_s_readme_is_true(name: str, examples: Environment, play: Play) -> None:
    """Its Python and its commands, in their order."""
    steps = steps_of(f"docs/examples/{name}/README.md")
    done = play(steps, python=examples.python, scripts=str(examples.path / "bin"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_typed_and_tidy(name: str, examples: Environment) -> None:
    """By mypy, strict, and by ruff, as its own settings have them."""
    folder = examples.work / name
    for checker in (("mypy", "--strict"), ("ruff", "check"), ("ruff", "format", "--check")):
        tool, *rest = checker
        config = folder / "pyproject.toml"
        done = examples.run("-m", tool, *rest, f"--config={config}", folder / "src")
        assert done.returncode == 0, done.stdout + done.stderr
