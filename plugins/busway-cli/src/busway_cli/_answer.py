"""The answer: tables or one JSON document on stdout; its reader may go at any time."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Final

from busway_cli._streams import Refusal, printable, silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["answer", "answer_json", "answer_text", "keep_stdout_clean", "table"]

_PIPE_WIDTH: Final = 100_000  # nobody's terminal: nothing is folded or cut in a pipe


def answer(*renderables: RenderableType) -> None:
    """Write tables and lines to stdout, as wide as they are unless it is a terminal.

    Raises:
        Refusal: if stdout cannot be written, except because its reader has gone.
    """
    # imported here: --json has no use for it, and it takes longer than all the rest
    from rich.console import Console

    terminal = sys.stdout is not None and sys.stdout.isatty()
    written = io.StringIO()  # not stdout itself: what writes there has to meet its errors
    console = Console(
        file=written,
        force_terminal=terminal,
        width=None if terminal else _PIPE_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )
    for one in renderables:
        console.print(one)
    # cells are padded; after the last one of a line that is only noise
    _write("".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines()))


def answer_json(value: object) -> None:
    """Write one JSON document to stdout, whatever is in it.

    Raises:
        Refusal: if stdout cannot be written, except because its reader has gone.
    """
    _write(json.dumps(_plain(value), allow_nan=False) + "\n")


def answer_text(text: str) -> None:
    """Write a text to stdout as it is, on a terminal too: lines that a program will read.

    Raises:
        Refusal: if stdout cannot be written, except because its reader has gone.
    """
    _write(text + "\n")


def table(*columns: str, rows: Iterable[Sequence[object]], numbers: int = 0) -> Table:
    """A table whose cells are folded rather than cut.

    Args:
        columns: their heads.
        rows: their cells.
        numbers: how many columns, from the right, are numbers.
    """
    # imported here: as in answer()
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, head in enumerate(columns):
        number = index >= len(columns) - numbers
        made.add_column(head, overflow="fold", justify="right" if number else "left")
    for row in rows:
        made.add_row(*(printable(str(cell)) for cell in row))
    return made


def keep_stdout_clean(*, wanted: bool) -> AbstractContextManager[object]:
    """While it lasts, what plugins print goes to stderr, so that stdout holds one document."""
    return redirect_stdout(sys.stderr if wanted else sys.stdout)


def _write(text: str) -> None:
    if sys.stdout is None:  # closed by who started us
        return
    try:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:  # its reader has seen enough
        silence(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        raise Refusal(f"the answer cannot be written: {error.strerror}") from None


def _plain(value: object) -> object:
    """A value as JSON has it: health comes from plugins, who may say anything."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (str, int, float, type(None))) else str(value)
