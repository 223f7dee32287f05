"""Play the steps of one page, in order, in the current directory: `python play.py STEPS.json`.

A program of its own, so that a page has an interpreter, an environment and a directory to itself.
It needs nothing but the standard library, and ends with 1 at the first step that is not true.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import json
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

_FLAGS = doctest.ELLIPSIS | doctest.REPORT_NDIFF
_COMMAND = re.compile(r"^\$ (?P<command>(?:.*\\\n)*.*\n)(?P<prints>(?:(?!\$ ).*\n)*)", re.MULTILINE)


class UntrueError(Exception):
    """A page says what is not so."""


class Player:
    """Plays steps; Python blocks share a namespace and a loop, commands share a shell's state."""

    def __init__(self, replace: dict[str, str], runner: asyncio.Runner) -> None:
        self._replace = replace
        self._runner = runner
        self._names: dict[str, object] = {"__name__": "__main__"}
        self._state = Path(tempfile.mkdtemp()) / "state.sh"
        self._state.write_text("")

    def play(self, step: dict[str, str]) -> None:
        """Play one step.

        Raises:
            Exception: if it is not true.
        """
        where, text = step["where"], step["text"]
        if step["kind"] == "file":
            self._write(step["name"], text)
        elif step["kind"] == "python":
            told = io.StringIO()
            with contextlib.redirect_stdout(told):
                self._run_python(where, int(step["line"]), text)
            if "prints" in step:
                _compare(where, step["prints"], told.getvalue())
        elif step["kind"] == "console":
            for found in _COMMAND.finditer(text):
                self._run_command(where, found["command"].rstrip("\n"), found["prints"])
        else:
            compile(text, where, "exec")

    def _write(self, name: str, text: str) -> None:
        """Write a file where the shell is."""
        path = Path(self._call("pwd").strip()) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _run_python(self, where: str, line: int, text: str) -> None:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile("\n" * line + text, where.partition(":")[0], "exec", flags)
        if code.co_flags & inspect.CO_COROUTINE:
            self._runner.run(eval(code, self._names))
        else:
            exec(code, self._names)

    def _run_command(self, where: str, command: str, prints: str) -> None:
        told = self._call(self._replace.pop(command, command))
        if prints:
            _compare(f"{where}: {command}", prints, told)

    def _call(self, command: str) -> str:
        state = shlex.quote(str(self._state))
        script = f". {state}\nset -e\n{command}\n{{ export -p; echo cd $(pwd); }} > {state}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        if done.returncode:
            raise UntrueError(f"{command} exits with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def finish(self) -> None:
        """See that every replacement had its command."""
        if self._replace:
            raise UntrueError(f"the page does not say {list(self._replace)}")


def _compare(where: str, want: str, got: str) -> None:
    want, got = (re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE) for text in (want, got))
    checker = doctest.OutputChecker()
    if not checker.check_output(want, got, _FLAGS):
        difference = checker.output_difference(doctest.Example("", want), got, _FLAGS)
        raise UntrueError(f"{where} prints something else:\n{difference}")


def main() -> int:
    """Play what the file says."""
    page = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with asyncio.Runner() as runner:
        player = Player(page["replace"], runner)
        for step in page["steps"]:
            try:
                player.play(step)
            except Exception:
                sys.stderr.write(f"{step['where']}\n{traceback.format_exc()}")
                return 1
        player.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
