"""`busway new`: a plugin of one's own, whole, tested and installable."""

from __future__ import annotations

import os
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from busway_cli._answer import answer_text
from busway_cli._new_clashes import clash
from busway_cli._new_files import KINDS, create, render
from busway_cli._new_names import Names
from busway_cli._streams import Refusal, printable, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["new"]


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Make it in this folder instead of the current one.",
)
def new(kind: str, name: str, into: Path) -> None:
    """Make a plugin NAME: a folder that can be installed, with tests, README and CI.

    Exit code: 0; 2 if the name will not do or is taken, or the folder cannot be written. Then
    nothing is made.
    """
    names = Names.of(name)
    folder = into / names.distribution
    if os.path.lexists(folder):
        raise Refusal(f"{folder} exists already: choose another name, or another folder by --into")
    taken = clash(names)
    if taken:
        raise Refusal(taken)
    try:
        create(folder, render(kind, names))
    except OSError as error:
        raise Refusal(f"{folder} cannot be made: {error.strerror}") from None
    if name != names.distribution:
        tell(f"{name!r} is written {names.distribution}, as installers do")
    answer_text("\n".join(printable(line) for line in _told(kind, names, folder)))


def _told(kind: str, names: Names, folder: Path) -> Iterator[str]:
    """What was made, and the commands to type next."""
    off = kind == "middleware"
    place = os.path.join(folder.parent, folder.name)  # ./NAME: pip takes NAME for a name
    yield f"{folder} is ready. Next:"
    yield ""
    yield f"    pip install {shlex.quote(place)}"
    yield f"    {names.variable}ENABLED=1 busway plugins" if off else "    busway plugins"
    yield f"    pytest {shlex.quote(str(folder))}"
    if off:
        yield ""
        yield "It is off until its settings say enabled = true: it changes what others see."
    if find_spec("busway_testing") is None:
        yield ""
        yield "Its tests need busway-testing: install that from where you have busway."
