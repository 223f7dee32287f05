"""What the shop promises."""

import json

import pytest
from busway import ANY, Event, EventBus, load_plugins
from busway_testing import EventTypesConformance, HandlerConformance
from click.testing import CliRunner

from shop_events import ShopEvent, order_placed
from shop_events.commands import shop


class TestTypesConformance(EventTypesConformance):
    """What is asked of all event types."""

    plugin = "shop"


class TestStockConformance(HandlerConformance):
    """What is asked of every handler."""

    plugin = "shop"
    event = order_placed("A1", {"tea": 1})


class Log:
    """Keeps what it sees."""

    event_types = (ANY,)

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def handle(self, event: Event) -> None:
        """Keep it."""
        self.seen.append(event)


@pytest.fixture
def log(bus: EventBus) -> Log:
    """Sees what happens in a shop with three packets of tea."""
    load_plugins(bus, allow=["shop"], settings={"shop": {"items": {"tea": 3}}}, strict=True)
    log = Log()
    bus.subscribe(log)
    return log


async def test_what_is_there_is_sold(bus: EventBus, log: Log) -> None:
    """Until it is not there any more."""
    async with bus:
        for number in ("A1", "A2"):
            await bus.publish(order_placed(number, {"tea": 2}))
    answers = [event for event in log.seen if event.type != ShopEvent.ORDER_PLACED]
    assert [(event.type, event.payload) for event in answers] == [
        (ShopEvent.ORDER_ACCEPTED, {"order": "A1"}),
        (ShopEvent.ORDER_REFUSED, {"order": "A2", "missing": {"tea": 1}}),
    ]


async def test_an_order_is_refused_whole(bus: EventBus, log: Log) -> None:
    """What was there of it is not set aside."""
    async with bus:
        await bus.publish(order_placed("A1", {"tea": 3, "cake": 1}))
        await bus.publish(order_placed("A2", {"tea": 3}))
        (health,) = [one for one in bus.health().values() if "left" in one]
    assert health == {ShopEvent.ORDER_REFUSED: 1, ShopEvent.ORDER_ACCEPTED: 1, "left": 0}


async def test_an_answer_knows_its_order(bus: EventBus, log: Log) -> None:
    """As its cause, and by its correlation id."""
    async with bus:
        order = order_placed("A1", {"tea": 1}).replace(correlation_id="request-7")
        await bus.publish(order)
    (answer,) = [event for event in log.seen if event.type == ShopEvent.ORDER_ACCEPTED]
    assert (answer.causation_id, answer.correlation_id) == (order.id, "request-7")


@pytest.mark.parametrize("items", [{}, {"tea": 0}])
def test_nothing_cannot_be_ordered(items: dict[str, int]) -> None:
    """Nor less."""
    with pytest.raises(ValueError, match="order A1"):
        order_placed("A1", items)


def test_orders_are_printed_as_events() -> None:
    """One a line, and each is read again."""
    done = CliRunner().invoke(shop, ["order", "tea=2,cake=1", "tea=1"])
    events = [Event.from_dict(json.loads(line)) for line in done.output.splitlines()]
    assert [event.payload["items"] for event in events] == [{"tea": 2, "cake": 1}, {"tea": 1}]


@pytest.mark.parametrize("text", ["tea", "tea=", "=2", "tea=0", "tea=-1"])
def test_a_wrong_order_is_named(text: str) -> None:
    """And none is printed."""
    done = CliRunner().invoke(shop, ["order", text])
    assert done.exit_code == 2
    assert f"{text!r} is not ITEM=NUMBER" in done.output
