"""A page of the documentation as steps: files to write, Python to run, commands to call.

- A block that follows a line ending in "`name`:" is a file of that name.
- A `python` block runs, after those before it on the page, in one namespace, and may `await`. A
  `text` block after the line "It prints:" is what the block before prints.
- A `console` block holds commands, each after `$ `, and what they print; `...` stands for
  anything. A command of which nothing is shown has only to succeed.
- A `toml` block that is no file has only to be TOML.
- A block after `<!-- not run: why -->` is only compiled.
- `sh` and `text` blocks are shown, not run.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if ROOT / "docs" / "examples" not in path.parents  # tests/examples plays those, installed
]

_FENCE = re.compile(r"^```(?P<language>[\w{}-]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+\.\w+)`:$")
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->$")

Step = dict[str, str | int]


def steps_of(page: str) -> list[Step]:
    """The steps of a page, in order, as `play.py` takes them."""
    return steps_in((ROOT / page).read_text(encoding="utf-8"), page)


def steps_in(text: str, page: str = "page") -> list[Step]:
    """The steps in a text."""
    steps: list[Step] = []
    for fence in _FENCE.finditer(text):
        language, body = fence["language"], fence["body"]
        line = text.count("\n", 0, fence.start()) + 1
        before = text[: fence.start()].rstrip().rpartition("\n")[2]
        step: Step = {"where": f"{page}:{line}", "line": line, "text": body}
        named, not_run = _FILE.search(before), _NOT_RUN.search(before)
        if not_run:
            steps.append(step | {"kind": "not run", "why": not_run[1]})
        elif named:
            steps.append(step | {"kind": "file", "name": named[1]})
        elif language == "text" and before.endswith("It prints:"):
            assert steps[-1]["kind"] == "python", f"{page}:{line} follows no python block"
            steps[-1]["prints"] = body
        elif language in ("python", "console"):
            steps.append(step | {"kind": language})
        elif language == "toml":
            tomllib.loads(body)
    return steps
