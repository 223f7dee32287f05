"""The command `busway shop`."""

from __future__ import annotations

import json

import click

from shop_events.events import order_placed

__all__ = ["shop"]


@click.group()
def shop() -> None:
    """Work with the orders of the shop."""


@shop.command()
@click.argument("orders", nargs=-1, required=True, metavar="ITEM=NUMBER[,ITEM=NUMBER...]...")
def order(orders: tuple[str, ...]) -> None:
    """Print an event for each order, as `busway run` reads them."""
    for number, text in enumerate(orders, 1):
        event = order_placed(f"cli-{number}", _items(text))
        click.echo(json.dumps(event.to_dict()))


def _items(text: str) -> dict[str, int]:
    items: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = part.partition("=")
        if not (name and equals and number.isdecimal() and int(number)):
            raise click.BadParameter(f"{part!r} is not ITEM=NUMBER")
        items[name] = int(number)
    return items
