"""What the pages show is so: their Python runs, their commands run, and print what is shown."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import PAGES, ROOT, steps_in, steps_of

from busway import Event
from busway._discovery import GROUPS

if TYPE_CHECKING:
    from tests.docs.conftest import Play
    from tests.docs.pages import Step
    from tests.environments import Environment

NOT_RUN: dict[str, list[object]] = {}
KINDS = {page: {step["kind"] for step in steps_of(page)} for page in PAGES}
IN_PYTHON = [page for page, kinds in KINDS.items() if kinds and "console" not in kinds]
IN_A_SHELL = [page for page, kinds in KINDS.items() if "console" in kinds]
TUTORIAL = "docs/tutorial.md"
BY_GROUP = {
    group: f"docs/how-to/{page}"
    for page, group in re.findall(
        r"\[[^]]+\]\(([\w-]+\.md)\) \| `(busway\.\w+)` \|",
        (ROOT / "docs/how-to/plugins.md").read_text(encoding="utf-8"),
    )
}
"""The page of each kind of plugin, as the overview has it."""
CONFORMANCE = {
    "busway.event_types": "EventTypesConformance",
    "busway.handlers": "HandlerConformance",
    "busway.interceptors": "InterceptorConformance",
    "busway.middleware": "MiddlewareConformance",
    "busway.plugins": "PluginConformance",
}
"""What is asked of each kind; of commands nothing."""


def test_every_page_with_snippets_is_played() -> None:
    """The pages that this file is about are found, and on each there is something to do."""
    assert {"README.md", "docs/how-to/applications.md"} <= set(IN_PYTHON)
    assert {TUTORIAL, *BY_GROUP.values(), "docs/how-to/operate.md"} <= set(IN_A_SHELL)


def test_every_kind_of_plugin_has_its_page() -> None:
    """The overview leads to one page a group, and none is told of twice."""
    assert sorted(BY_GROUP) == sorted([*GROUPS, "busway.commands", "busway.transports"])
    assert len(set(BY_GROUP.values())) == len(BY_GROUP)


@pytest.mark.parametrize("group", sorted(BY_GROUP))
def test_a_kind_s_page_ends_in_a_plugin(group: str) -> None:
    """Its one project is of that kind alone; it is installed, and then used."""
    steps = steps_of(BY_GROUP[group])
    made, project = _project(steps)
    assert list(project["entry-points"]) == [group]
    folder = str(made["name"]).partition("/")[0]
    shown = [str(one["text"]) for one in steps[steps.index(made) :] if one["kind"] == "console"]
    before, _, after = "".join(shown).partition(f"$ pip install -q ./{folder}\n")
    assert before == ""
    assert "\n$ " in f"\n{after}" or "prints" in steps[-1]


def _project(steps: list[Step]) -> tuple[Step, dict[str, dict[str, dict[str, str]]]]:
    """The step that writes a page's pyproject.toml, and what is in it."""
    (made,) = [one for one in steps if str(one.get("name")).endswith("pyproject.toml")]
    return made, tomllib.loads(str(made["text"]))["project"]


def _conformance(page: str) -> list[Step]:
    """What the kit asks of the plugin that a page ends in."""
    groups = [group for group, its in BY_GROUP.items() if its == page and group in CONFORMANCE]
    if not groups:
        return []
    _, project = _project(steps_of(page))
    (plugin,) = project["entry-points"][groups[0]]
    return steps_in(
        f"""
`test_conformance.py`:

```python
from busway_testing import {CONFORMANCE[groups[0]]} as Kit

class TestPlugin(Kit):
    plugin = {plugin!r}
```

```console
$ python -m pytest -q test_conformance.py
... passed in ...
```
""",
        f"{page} conforms",
    )


def test_what_is_not_run_is_known() -> None:
    """Nothing is left out in silence."""
    left_out: dict[str, list[object]] = {}
    for page in PAGES:
        for step in steps_of(page):
            if step["kind"] == "not run":
                left_out.setdefault(page, []).append(step["why"])
    assert left_out == NOT_RUN


@pytest.mark.parametrize("page", IN_PYTHON)
def test_python_on_a_page_runs(page: str, play: Play) -> None:
    """Its blocks, in their order, in one program, print what the page says."""
    done = play(steps_of(page))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [page for page in IN_A_SHELL if page != TUTORIAL])
def test_commands_on_a_page_run(page: str, play: Play, furnished: Environment) -> None:
    """With everything installed; and the plugin that the page ends in conforms."""
    steps = [*steps_of(page), *_conformance(page)]
    done = play(steps, python=furnished.python, scripts=str(furnished.path / "bin"))
    assert done.returncode == 0, done.stderr


def test_the_tutorial_is_true(play: Play, wheels: dict[str, Path]) -> None:
    """From an empty environment to a plugin of one's own; only the clone stands in wheels."""
    shown = "".join(str(step["text"]) for step in steps_of(TUTORIAL))
    (command,) = re.findall(r"^\$ (pip install -q \. .+)$", shown, re.MULTILINE)
    folders = command.partition(" . ")[2].split()
    built = [wheels["busway"], *(wheels[Path(folder).name] for folder in folders)]
    replace = {command: f"pip install -q {' '.join(map(str, built))}"}
    done = play(steps_of(TUTORIAL), replace=replace)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if "file" in KINDS[page]])
def test_tests_on_a_page_pass(page: str, play: Play, tmp_path: Path) -> None:
    """A file `test_*.py` of a page without commands passes."""
    files = [step for step in steps_of(page) if step["kind"] == "file"]
    tests = [str(step["name"]) for step in files if str(step["name"]).startswith("test_")]
    if "console" in KINDS[page]:
        shown = "".join(str(step["text"]) for step in steps_of(page) if step["kind"] == "console")
        assert all(f"pytest -q {name}" in shown for name in tests)
        return
    commands = "".join(f"$ python -m pytest -q {name}\n" for name in tests)
    done = play([*files, *steps_in(f"```console\n{commands}```")] if tests else files)
    assert done.returncode == 0, done.stderr


def test_the_readme_s_plugin_is_live_once_installed(full: Environment, tmp_path: Path) -> None:
    """Its two files are a distribution: the folder installs, and `busway run` has it."""
    folder = tmp_path / "shout"
    folder.mkdir()
    for step in steps_of("README.md"):
        if step["kind"] == "file":
            (folder / str(step["name"])).write_text(str(step["text"]))
    full.install(folder)
    event = json.dumps(Event("user.login", {"user_id": "ada"}).to_dict())
    assert "ada is here!\n" in full.run("run", "-", stdin=event).stdout
    full.uninstall("busway-shout")
    assert "is here" not in full.run("run", "-", stdin=event).stdout


@pytest.mark.parametrize(
    "wrong",
    [
        "```python\nprint(1)\n```\n\nIt prints:\n\n```text\n2\n```\n",
        "```python\n1 / 0\n```\n",
        "```python\nimport asyncio\nawait asyncio.sleep(0)\nassert False\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ false\n```\n",
        "<!-- not run: why -->\n```python\nthis is no Python\n```\n",
    ],
)
def test_a_page_that_is_not_true_is_found(wrong: str, play: Play) -> None:
    """Whatever kind of step it is that fails."""
    assert play(steps_in(wrong)).returncode == 1


def test_steps_share_names_files_and_the_shell(play: Play) -> None:
    """As they do for who reads the page and follows it."""
    page = """
```console
$ mkdir here && cd here
$ export GREETING=hello
```

`note.txt`:

```text
dear reader
```

```console
$ echo "$GREETING" && cat note.txt
hello
dear ...
```

```python
a = 1
```

```python
import asyncio
await asyncio.sleep(0)
print(a)
```

It prints:

```text
1
```
"""
    done = play(steps_in(page))
    assert done.returncode == 0, done.stderr
