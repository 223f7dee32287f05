"""The group: its own commands, and those that plugins bring."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

COMMAND = """
import click
print("imported")
@click.command()
@click.argument("code", type=int, default=0)
def Plugin(code):
    '''Does something.'''
    print("called")
    if code == 9:
        raise RuntimeError("broken")
    if code:
        raise SystemExit(code)
    return 5
"""


def bring(busway, name: str, code: str = COMMAND, **more: str) -> None:
    busway.install(name, code, group="busway.commands", **more)


def test_version(busway):
    """`--version` tells the versions of busway and of busway-cli."""
    done = busway("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"busway \S+ \(busway-cli \S+\)\n", done.stdout)


def test_the_help_lists_commands_without_importing_them(busway):
    """Ours by what they do, plugins' by where they come from; a broken one does no harm."""
    bring(busway, "extra")
    bring(busway, "broken", "raise RuntimeError")
    done = busway("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert {"run", "plugins", "events"} <= set(done.stdout.split())
    assert re.search(r"^  extra +from x-extra 1\.0$", done.stdout, re.MULTILINE)
    assert re.search(r"^  broken +from x-broken 1\.0$", done.stdout, re.MULTILINE)
    assert "imported" not in done.stdout


def test_a_command_of_a_plugin_runs(busway):
    """It is imported and called; what it returns is no exit code, what it exits with is."""
    bring(busway, "extra")
    done = busway("extra")
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported\ncalled\n", "")
    assert busway("extra", "3").returncode == 3


@pytest.mark.usefixtures("plain")
def test_a_command_that_raises(busway):
    """A bug in a command is one line and exit 2; its traceback is shown on demand."""
    bring(busway, "extra")
    done = busway("extra", "9")
    assert done.returncode == 2
    assert done.stderr == "busway: RuntimeError: broken (a bug: BUSWAY_DEBUG=1 shows where)\n"
    assert "Traceback" in busway("extra", "9", env={"BUSWAY_DEBUG": "1"}).stderr


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no\\nway')", r"RuntimeError: no\nway"),
        ("import no_such", "ModuleNotFoundError: No module named 'no_such'"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("", "AttributeError: module 'plugin_extra' has no attribute 'Plugin'"),
        ("def Plugin(): pass", "plugin_extra:Plugin is no click command"),
        ("(", "SyntaxError: '(' was never closed (plugin_extra.py, line 1)"),
    ],
)
def test_a_command_that_cannot_be_loaded(busway, code, reason):
    """One line names the distribution and the reason; the exit is 2."""
    bring(busway, "extra", code)
    done = busway("extra")
    assert done.returncode == 2
    assert done.stderr == (
        f"busway: the command 'extra' of x-extra 1.0 cannot be loaded: {reason}\n"
    )


def test_ours_wins(busway, line):
    """A plugin's command of the name of one of ours is hidden, and that is said."""
    bring(busway, "run")
    busway.names.clear()
    told = "busway: the command 'run' of x-run 1.0 is hidden by busway-cli's own\n"
    done = busway("run", stdin=line())
    assert (done.returncode, done.stderr) == (0, told)
    assert "imported" not in done.stdout
    assert busway("--help").stderr == told
    assert busway("plugins").stderr == ""


def test_two_distributions_with_one_command(busway):
    """Neither is run: both are named, in the help and when it is called."""
    bring(busway, "extra", distribution="one")
    bring(busway, "extra", distribution="two")
    done = busway("extra")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "busway: one 1.0 and two 1.0 both bring a command 'extra': uninstall one\n"
    )
    assert "one 1.0 and two 1.0" in " ".join(busway("--help").stdout.split())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nothing",), "No such command 'nothing'. Try 'busway --help'."),
        (("run", "--nothing"), "No such option"),
        (("run", "a", "b"), "Got unexpected extra argument (b)"),
        (("run", "--rejects"), "Option '--rejects' requires an argument."),
    ],
)
def test_mistakes_at_the_prompt(busway, args, message):
    """One line that says what is wrong and where to look; exit 2."""
    done = busway(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"busway: {message}")
    assert done.stderr.endswith(" --help'.\n")
    assert done.stderr.count("\n") == 1


def test_no_command_at_all(busway):
    """The help is shown."""
    done = busway()
    assert "Commands:" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_shell_can_complete(busway):
    """Completion offers the commands, and a broken one stops nothing."""
    bring(busway, "extra")
    bring(busway, "broken", "raise RuntimeError")
    asked = {"_BUSWAY_COMPLETE": "bash_complete", "COMP_WORDS": "busway ", "COMP_CWORD": "1"}
    done = busway(env=asked)
    assert done.stderr == ""
    assert {"plain,run", "plain,plugins", "plain,events", "plain,extra"} <= set(
        done.stdout.split(os.linesep)
    )


@pytest.mark.parametrize("policy", [{"BUSWAY_PLUGINS": ""}, {"BUSWAY_DISABLE": "extra"}])
def test_a_command_that_policy_does_not_allow(busway, policy):
    """It is not imported; one line names the variable, and the exit is 2."""
    bring(busway, "extra", "raise AssertionError('imported')")
    done = busway("extra", env=policy)
    (variable,) = policy
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("busway: the command 'extra' of x-extra 1.0 is blocked: ")
    assert variable in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["extra"]])
def test_a_reader_that_has_gone(busway, arguments):
    """Whatever prints, it ends as if SIGPIPE had ended it, without a word."""
    bring(busway, "extra", "import click\n@click.command()\ndef Plugin(): click.echo('x')")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "busway_cli", *arguments],
            cwd=busway.directory,
            env=busway.environment(),
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
