"""`run`: run the command line, and turn whatever comes of it into a line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from busway_cli._entry import exit_code_of
from busway_cli._group import busway
from busway_cli._streams import Refusal, describe, flush, silence, tell

__all__ = ["run"]


def run() -> NoReturn:
    """Run the command `busway` with the arguments of the process, and exit."""
    try:
        code = _run()
    finally:  # plugins' commands may end by SystemExit
        flush()
    sys.exit(code)


def _run() -> int:
    try:
        code = busway.main(prog_name="busway", standalone_mode=False)
    except click.ClickException as error:
        _tell(error)
        return error.exit_code
    except click.Abort as error:  # click's name for KeyboardInterrupt
        return exit_code_of(error.__cause__)
    except OSError as error:
        if sys.stdout is not None:
            silence(sys.stdout)
        tell(describe(error))
        return 2
    except Exception as error:
        if os.environ.get("BUSWAY_DEBUG", "") not in ("", "0"):
            raise
        tell(f"{describe(error)} (a bug: BUSWAY_DEBUG=1 shows where)")
        return 2
    return code if isinstance(code, int) else 0


def _tell(error: click.ClickException) -> None:
    message = error.format_message()
    if isinstance(error, click.UsageError) and "\n" not in message:
        path = error.ctx.command_path if error.ctx is not None else "busway"
        tell(f"{message} Try '{path} --help'.")
    elif isinstance(error, Refusal) or "\n" not in message:
        tell(message)
    else:  # a plugin's text; or the help of a group that was called without a command
        error.show()
