"""What the commands share: where the outbox is, options, and how they refuse."""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, cast

import click

from busway.exceptions import BuswayError
from busway.settings import Configuration
from busway_outbox._settings import url_of
from busway_outbox._store import statements
from busway_outbox._store.database import database_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_outbox._store.database import Database

__all__ = [
    "Refusal",
    "all_option",
    "handler_option",
    "handlers_like",
    "json_option",
    "opened",
    "printable",
    "seconds",
    "seqs_argument",
    "shown",
    "url_option",
]

_SPAN: Final = re.compile(r"(\d{1,9})([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Refusal(click.ClickException):
    """The command could not do what it was asked to."""

    exit_code = 2


url_option = click.option(
    "--url", metavar="URL", help="The outbox; that of [plugins.outbox] if it is not given."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
handler_option = click.option(
    "--handler",
    metavar="NAME",
    default="*",
    help="Only rows for this handler; * stands for anything.",
)
all_option = click.option("--all", "every", is_flag=True, help="All rows, instead of some SEQ.")
seqs_argument = click.argument("seqs", metavar="[SEQ]...", nargs=-1, type=int)


@contextmanager
def opened(url: str | None) -> Iterator[Database]:
    """The outbox, in a transaction; what it refuses becomes one line and exit code 2."""
    try:
        checked = url_of(_configured() if url is None else url)
        database = database_of(checked, makes=False)  # it may be another's, by a slip of the pen
    except (BuswayError, ValueError) as error:
        raise Refusal(printable(str(error))) from None
    if not database.exists():
        raise Refusal(f"there is no outbox {printable(database.shown)}: give its --url")
    try:
        with database.transaction():
            yield database
    except (BrokenPipeError, click.ClickException):
        raise
    except Exception as error:
        if not isinstance(error, BuswayError | sqlite3.Error) and not _is_psycopg_s(error):
            raise
        raise Refusal(printable(f"{database.shown}: {error}")) from None
    finally:
        database.close()


def _is_psycopg_s(error: Exception) -> bool:
    """Whether PostgreSQL refuses; the library may not be there."""
    return type(error).__module__.partition(".")[0] == "psycopg"


def _configured() -> str:
    """The setting `url`, or its default."""
    # imported here: the commands need no bus
    from busway_outbox.outbox import DEFAULT_URL, Outbox

    settings = Configuration().section("outbox").arguments_for(Outbox)
    return cast("str", settings.get("url", DEFAULT_URL))


def handlers_like(database: Database, pattern: str) -> object:
    """The names of handlers that match, as a parameter."""
    rows = database.all(database.dialect.sql(statements.HANDLERS))
    names = [str(row[0]) for row in rows]
    return database.list_of([name for name in names if fnmatchcase(name, pattern)])


def seconds(_ctx: click.Context, _param: click.Parameter, text: str) -> float:
    """How long a text tells: 90s, 15m, 2h, 7d."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no span of time as 90s, 15m, 2h or 7d")
    return float(int(found[1]) * _UNITS[found[2]])


def shown(span: float) -> str:
    """A span of time, in its largest unit.

    >>> [shown(n) for n in (0, 59.9, 60, 7_200, 200_000)]
    ['0s', '59s', '1m', '2h', '2d']
    """
    unit = max((one for one in _UNITS if span >= _UNITS[one]), key=_UNITS.__getitem__, default="s")
    return f"{int(span // _UNITS[unit])}{unit}"


def printable(text: str) -> str:
    """A text as one line that no terminal takes for commands."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
