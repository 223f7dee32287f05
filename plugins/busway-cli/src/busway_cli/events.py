"""`busway events`: every type of event, and who handles it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from busway import Event, EventBus, SkipHandler
from busway.events import event_types
from busway_cli._answer import answer, answer_json, keep_stdout_clean, table
from busway_cli._loading import load
from busway_cli._logs import logs_on_stderr
from busway_cli._tally import named

if TYPE_CHECKING:
    from enum import StrEnum

    from busway.handlers import Call, Handler

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
        bus.add_interceptor(_skip)
        load(bus)
        types = list(event_types().values())
        handled = asyncio.run(_ask(bus, types))
    if as_json:
        answer_json(
            [
                {"type": type_.value, "enum": _path(type_), "handlers": handled[type_]}
                for type_ in types
            ]
        )
    else:
        _show(types, handled)


async def _ask(bus: EventBus, types: list[StrEnum]) -> dict[StrEnum, list[str]]:
    """Let the bus itself say whom it would call: publish one event a type, and call nobody."""
    for middleware in bus.middleware:
        bus.remove_middleware(middleware)
    bus.observer = None  # no hook of a plugin is to hear of these events
    names = {id(handler): name for name, handler in named(bus.handlers).items()}
    handled = {}
    for type_ in types:
        result = await bus.publish(Event(type_))
        handled[type_] = [names[id(outcome.handler)] for outcome in result.outcomes]
    return handled


def _skip(_: Handler, __: Call) -> Call:
    async def skip(_: Event) -> None:
        raise SkipHandler("only asking")

    return skip


def _show(types: list[StrEnum], handled: dict[StrEnum, list[str]]) -> None:
    rows = [(type_.value, _path(type_), ", ".join(handled[type_]) or "nobody") for type_ in types]
    answer(table("type", "enum", "handlers", rows=rows))
    nobody = [type_.value for type_ in types if not handled[type_]]
    if nobody:
        answer("", f"handled by nobody: {', '.join(nobody)}")


def _path(type_: StrEnum) -> str:
    return f"{type(type_).__module__}.{type(type_).__qualname__}"
