"""What the commands share: options, and how they refuse."""

from __future__ import annotations

import re
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from busway.exceptions import BuswayError
from busway_audit._format.chain import key_id
from busway_audit.exceptions import SignatureError
from busway_audit.keys import read_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_audit.findings import Finding

__all__ = [
    "Command",
    "Findings",
    "Refusal",
    "key_option",
    "keyring",
    "path_argument",
    "printable",
    "refusing",
    "since_option",
    "type_option",
]

_SHOWN: Final = 20  # findings
_AGO: Final = re.compile(r"(\d{1,9})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Refusal(click.ClickException):
    """The command could not do what it was asked to."""

    exit_code = 3


class Tampered(Refusal):
    """Something was tampered with."""

    exit_code = 1


class WrongUsage(click.UsageError):
    """The command was not called as its help says."""

    exit_code = 3


class Command(click.Command):
    """A command whose exit code 2 means something: wrong usage exits with 3."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Read the arguments."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise WrongUsage(error.format_message(), error.ctx) from None


def _since(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    """The time that a text tells."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        told = f"{text!r} is neither ISO 8601 nor how long ago, as 90s, 15m, 2h or 7d"
        raise click.BadParameter(told) from None


path_argument = click.argument("path", default="audit", type=click.Path(path_type=Path))
key_option = click.option(
    "--key",
    "key_files",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file of the key that seals the trail; may be given several times.",
)
type_option = click.option(
    "--type", "types", multiple=True, help="Only events of this type; * stands for anything."
)
since_option = click.option(
    "--since",
    callback=_since,
    metavar="TIME",
    help="Only what was recorded since: ISO 8601 (UTC unless it says else), or ago: 90s, 15m, 2h.",
)


def keyring(files: tuple[Path, ...]) -> dict[str, bytes]:
    """Keys by their ids."""
    return {key_id(key): key for key in map(read_key, files)}


class Findings:
    """Tells the first findings on stderr.

    Attributes:
        tampered: how many there were that no crash explains.
    """

    def __init__(self) -> None:
        self.tampered = self._count = 0

    def __call__(self, finding: Finding) -> None:
        """Tell one."""
        self._count += 1
        self.tampered += not finding.torn
        if self._count <= _SHOWN:
            click.echo(printable(str(finding)), err=True)

    def tell_rest(self) -> None:
        """Say how many were not told."""
        if self._count > _SHOWN:
            click.echo(f"and {self._count - _SHOWN:,} more", err=True)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what keeps a command from its work into one line and exit code 3.

    A broken pipe is left to who runs the command. What nobody has foreseen is shown whole, and
    exits with 3 as well: with 2, it would say that the trail is torn.
    """
    try:
        yield
    except (BrokenPipeError, click.ClickException):
        raise
    except MemoryError:
        raise Refusal("there is a line for which the memory does not suffice") from None
    except OSError as error:
        name = "the output" if error.filename is None else str(error.filename)
        raise Refusal(f"{printable(name)}: {error.strerror}") from error
    except SignatureError as error:
        raise Tampered(printable(str(error))) from None
    except BuswayError as error:
        raise Refusal(printable(str(error))) from None
    except Exception as error:  # noqa: BLE001 - it is shown whole
        if isinstance(error, ImportError) and (error.name or "").startswith("cryptography"):
            told = "signatures need cryptography: pip install 'busway-audit[sign]'"
        else:
            traceback.print_exc()
            told = f"a mistake of ours, please report it: {type(error).__name__}"
        raise Refusal(told) from None


def printable(text: str) -> str:
    """A text as one line that no terminal takes for commands."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
