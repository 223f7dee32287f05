"""`busway events`: every type of event, and who handles it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from busway import EventBus
from busway.events import event_types
from busway_cli._answer import answer, answer_json, keep_stdout_clean, table
from busway_cli._loading import load
from busway_cli._logs import logs_on_stderr
from busway_cli._tally import named

if TYPE_CHECKING:
    from enum import StrEnum

__all__ = ["events"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects.")
def events(as_json: bool) -> None:
    """List the types of event, those of plugins too, who handles them, and which nobody does.

    Exit code: 0; 2 if the settings cannot be read, or BUSWAY_STRICT=1 is set and a plugin is
    broken.
    """
    with keep_stdout_clean(wanted=as_json), logs_on_stderr():
        bus = EventBus.get_instance()
        load(bus)
    types = list(event_types().values())
    names = {id(handler): name for name, handler in named(bus.handlers).items()}
    handled = {type_: [names[id(one)] for one in bus.handlers_for(type_)] for type_ in types}
    if as_json:
        answer_json(
            [
                {"type": type_.value, "enum": _path(type_), "handlers": handled[type_]}
                for type_ in types
            ]
        )
    else:
        _show(types, handled)


def _show(types: list[StrEnum], handled: dict[StrEnum, list[str]]) -> None:
    rows = [(type_.value, _path(type_), ", ".join(handled[type_]) or "nobody") for type_ in types]
    answer(table("type", "enum", "handlers", rows=rows))
    nobody = [type_.value for type_ in types if not handled[type_]]
    if nobody:
        answer("", f"handled by nobody: {', '.join(nobody)}")


def _path(type_: StrEnum) -> str:
    return f"{type(type_).__module__}.{type(type_).__qualname__}"
