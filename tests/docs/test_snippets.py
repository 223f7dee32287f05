"""What the pages show is so: their Python runs, their commands run, and print what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import PAGES, steps_in, steps_of

from busway import Event

if TYPE_CHECKING:
    from tests.docs.conftest import Play
    from tests.environments import Environment

NOT_RUN = {"docs/how-to/applications.md": ["needs fastapi"]}
KINDS = {page: {step["kind"] for step in steps_of(page)} for page in PAGES}
IN_PYTHON = [page for page, kinds in KINDS.items() if kinds and "console" not in kinds]
IN_A_SHELL = [page for page, kinds in KINDS.items() if "console" in kinds]
TUTORIAL = "docs/tutorial.md"


def test_every_page_with_snippets_is_played() -> None:
    """The pages that this file is about are found, and on each there is something to do."""
    assert {"README.md", "docs/how-to/middleware.md"} <= set(IN_PYTHON)
    assert {TUTORIAL, "docs/how-to/plugins.md", "docs/how-to/operate.md"} == set(IN_A_SHELL)


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
def test_commands_on_a_page_run(page: str, play: Play, full: Environment) -> None:
    """With everything installed, in an environment that they may change."""
    full.install("pytest", "pip")
    done = play(steps_of(page), python=full.python, scripts=str(full.path / "bin"))
    assert done.returncode == 0, done.stderr


def test_the_tutorial_is_true(play: Play, wheels: dict[str, Path]) -> None:
    """From an empty environment to a plugin of one's own; only the clone stands in wheels."""
    folders = [".", *(f"./plugins/{name}" for name in sorted(wheels) if name != "busway")]
    built = [f"'{wheels[name]}'" for name in ("busway", *sorted(set(wheels) - {"busway"}))]
    replace = {f"pip install -q {' '.join(folders)}": f"pip install -q {' '.join(built)}"}
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


def test_gunicorn_s_hooks_run_the_shared_bus(play: Play) -> None:
    """They publish between them, and let the process end."""
    (hooks,) = (
        step
        for step in steps_of("docs/how-to/applications.md")
        if step.get("name") == "gunicorn.conf.py"
    )
    use = """
```python
import runpy
from busway import Event, EventBus
hooks = runpy.run_path("gunicorn.conf.py")
hooks["post_worker_init"](None)
done = EventBus.get_instance().publish_threadsafe(Event("user.login"))
print(done.result(timeout=10).ok)
hooks["worker_exit"](None, None)
```

It prints:

```text
True
```
"""
    done = play([hooks, *steps_in(use)])
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
