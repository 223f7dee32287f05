"""The group `busway`: its own commands and those of plugins, each imported when it is called."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from busway_cli._commands import plugin_commands
from busway_cli._streams import Refusal, printable, silence, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_cli._commands import PluginCommand

__all__ = ["busway"]

_OWN: Final = {
    "doctor": "Look for what is wrong with the installation, and say what to do.",
    "events": "List the types of event, and who handles them.",
    "new": "Make a plugin of your own: a folder to install, with tests.",
    "plugins": "List the installed plugins, and what became of them.",
    "run": "Publish events from a file or a pipe, with all plugins.",
    "work": "Publish events from a broker, with all plugins.",
}


class LazyGroup(click.Group):
    """Knows its commands by name; `busway --help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, sorted."""
        return sorted({*_OWN, *plugin_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name.

        Raises:
            Refusal: if it cannot be imported, or is brought twice.
        """
        rival = plugin_commands().get(cmd_name)
        if cmd_name in _OWN:
            if rival is not None and not ctx.resilient_parsing:
                tell(_hidden(rival))
            command: click.Command = getattr(import_module(f"busway_cli.{cmd_name}"), cmd_name)
            return command
        try:
            return None if rival is None else rival.load()
        except Refusal:
            if ctx.resilient_parsing:  # a shell asks what could be typed next
                return None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands: ours by what they do, the plugins' by where they come from."""
        found = plugin_commands()
        with formatter.section("Commands"):
            formatter.write_dl(list(_OWN.items()))
        rows = [(printable(name), _origin(one)) for name, one in found.items() if name not in _OWN]
        if rows:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(rows)
        for name in sorted(set(_OWN) & set(found)):
            tell(_hidden(found[name]))

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Read the arguments; `--help` and `--version` print, and their reader may have gone."""
        with _quiet_pipe():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command, and return nothing: what it returns is no exit code."""
        with _quiet_pipe():
            super().invoke(ctx)


@contextmanager
def _quiet_pipe() -> Iterator[None]:
    """End without a word when the reader of stdout has gone, as if SIGPIPE had ended it."""
    try:
        yield
    except BrokenPipeError:
        silence(sys.stdout)
        raise click.exceptions.Exit(128 + signal.SIGPIPE) from None


def _hidden(rival: PluginCommand) -> str:
    return f"the command {rival.name!r} of {rival.origin} is hidden by busway-cli's own"


def _origin(command: PluginCommand) -> str:
    if len(command.points) > 1:
        return printable(f"conflict: {command.origin} both bring it; uninstall one")
    return printable(f"from {command.origin}")


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        # imported here: nothing else needs it
        from importlib_metadata import version

        click.echo(f"busway {version('busway')} (busway-cli {version('busway-cli')})")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def busway() -> None:
    """Run events through the installed plugins of Busway, and look at them."""
