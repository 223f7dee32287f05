"""What `busway new` writes is right, whatever the name: it parses, fits, and is as formatted."""

from __future__ import annotations

import ast
import itertools
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from importlib_metadata import version

from busway_cli._new_files import KINDS, WIDTH, create, lower_bound, render
from busway_cli._new_names import LONGEST, Names
from busway_cli._streams import Refusal

LEGAL = st.from_regex(rf"[A-Za-z][A-Za-z0-9._-]{{,{LONGEST - 2}}}[A-Za-z0-9]", fullmatch=True)
EXTREME = ["a", "a-1.b_2", "busway-orders", "None", "-".join("a" * (LONGEST // 2)), "a-plugin"]
"""Beside them, names of every length are tried: somewhere each line becomes too long."""


@st.composite
def names(draw: st.DrawFn) -> Names:
    """Those of any legal name."""
    try:
        return Names.of(draw(LEGAL))
    except Refusal:
        assume(False)
        raise


@pytest.mark.parametrize("kind", list(KINDS))
@given(names=names())
def test_every_name_gives_python_that_fits(kind: str, names: Names) -> None:
    """Each module parses, no line is too long, and nothing of the template is left."""
    for path, text in render(kind, names).items():
        assert "PACKAGE" not in path
        if path.endswith(".py"):
            ast.parse(text)
            assert max(map(len, text.splitlines())) <= WIDTH
            assert "$" not in text


@pytest.mark.parametrize("kind", list(KINDS))
@given(names=names())
def test_every_name_gives_an_entry_point_that_resolves(kind: str, names: Names) -> None:
    """It is of the group of its kind, and names a class that the package has."""
    texts = render(kind, names)
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["name"] == names.distribution
    assert list(project["entry-points"]) == [KINDS[kind].group]
    ((plugin, value),) = project["entry-points"][KINDS[kind].group].items()
    package, _, name = value.partition(":")
    assert (plugin, package) == (names.plugin, names.package)
    public = ast.parse(texts[f"src/{package}/__init__.py"]).body[-1]
    assert name in ast.literal_eval(public.value)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_readme_shows_every_setting(kind: str) -> None:
    """In its table: a row that begins with it."""
    texts = render(kind, Names.of("acme-orders"))
    modules = [ast.parse(text) for path, text in texts.items() if path.startswith("src/")]
    inits = [
        node
        for node in itertools.chain.from_iterable(map(ast.walk, modules))
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    settings = {one.arg for init in inits for one in init.args.args if one.arg != "self"}
    assert bool(settings) == (kind != "event-types")
    for name in settings:
        assert f"\n| `{name}` |" in texts["README.md"]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plugins of every kind, by names of every length and some that are odd."""
    folder = tmp_path_factory.mktemp("crowd")
    odd = [*EXTREME, *("y" * length for length in range(1, LONGEST + 1))]
    for kind, name in itertools.product(KINDS, odd):
        (folder / kind).mkdir(exist_ok=True)
        made = Names.of(name)
        create(folder / kind / made.distribution, render(kind, made))
    return folder


def ruff(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_names_of_every_length_are_formatted(crowd: Path) -> None:
    """As ruff would, by the settings in each plugin's pyproject.toml."""
    done = ruff("format", "--check", "--no-cache", crowd)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) > 4 * LONGEST


def test_names_of_every_length_are_clean(crowd: Path) -> None:
    """Ruff finds nothing, by the rules in each plugin's pyproject.toml."""
    done = ruff("check", "--no-cache", "--output-format", "json", crowd)
    assert json.loads(done.stdout) == []


def test_the_running_busway_is_required_at_least() -> None:
    """Not a fixed version: what the plugin is tried with is what it needs."""
    project = tomllib.loads(render("handler", Names.of("acme"))["pyproject.toml"])["project"]
    assert project["dependencies"] == [f"busway>={lower_bound(version('busway'))}"]


@pytest.mark.parametrize(
    ("running", "required"),
    [
        ("0.1.0", "0.1"),
        ("1.12.3", "1.12"),
        ("2.0", "2.0"),
        ("2.0.1.post1", "2.0"),
        ("0.2.0.dev3", "0.2.0.dev3"),
        ("0.2.0rc1", "0.2.0rc1"),
        ("0.2.0.dev3+g1234", "0.2.0.dev3"),
        ("0.2.1+local", "0.2"),
    ],
)
def test_what_is_required_is_met_by_what_runs(running: str, required: str) -> None:
    """A feature release; of one that is yet to come, what is there of it."""
    assert lower_bound(running) == required
