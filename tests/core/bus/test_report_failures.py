"""report_failures: each failure is published as ERROR_OCCURRED too, and never holds anyone up."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from busway import Event, EventBus, EventType

LOGIN, LOGOUT, ERROR = EventType.USER_LOGIN, EventType.USER_LOGOUT, EventType.ERROR_OCCURRED


@pytest.fixture
def bus():
    """A bus that reports failures."""
    return EventBus(report_failures=True)


def fails(event):
    """Fails."""
    raise ValueError("why it failed")


async def test_failure_is_published(bus, hear, soon):
    """A failure is published as ERROR_OCCURRED: severity, message, handler, event id."""
    reports = []
    hear(fails, LOGIN, name="the culprit")
    hear(reports.append, ERROR)
    event = Event(LOGIN)
    await bus.publish(event)
    await soon(bus.drain())
    (report,) = reports
    told = report.payload
    assert (told["severity"], told["handler"], told["event_id"]) == (
        *("error", "the culprit"),
        event.id,
    )
    assert "why it failed" in told["message"]


async def test_caused_by_the_failed_event(bus, hear, soon):
    """The report's cause is the event whose handler failed; it belongs to its story."""
    reports = []
    hear(fails, LOGIN)
    hear(reports.append, ERROR)
    event = Event(LOGIN, correlation_id="the story")
    await bus.publish(event)
    await soon(bus.drain())
    assert [(one.causation_id, one.correlation_id) for one in reports] == [(event.id, "the story")]


async def test_nested_failure_is_caused_by_the_inner_event(bus, hear, soon):
    """A failure of a nested publish is reported once, caused by the inner event."""
    reports, inner = [], Event(LOGOUT)
    hear(lambda _: bus.publish(inner), LOGIN)
    hear(fails, LOGOUT)
    hear(reports.append, ERROR)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert [one.causation_id for one in reports] == [inner.id]


async def test_one_report_a_failure(bus, hear, soon):
    """Each handler that fails or cancels itself is reported; those that are well are not."""

    async def cancels(event):
        raise asyncio.CancelledError

    reports = []
    hear(fails, LOGIN, name="a")
    hear(lambda _: None, LOGIN, name="b")
    hear(cancels, LOGIN, name="c")
    hear(reports.append, ERROR)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert sorted(one.payload["handler"] for one in reports) == ["a", "c"]


@pytest.mark.parametrize("way", ["publish", "publish_many", "publish_soon", "deliver"])
async def test_whatever_the_method(bus, hear, soon, way):
    """Failures are reported whatever the method of publishing."""
    reports = []
    handler = hear(fails, LOGIN)
    hear(reports.append, ERROR)
    event = Event(LOGIN)
    arguments = {"publish_many": [[event]], "deliver": [event, handler]}.get(way, [event])
    await getattr(bus, way)(*arguments)
    await soon(bus.drain())
    assert [one.payload["event_id"] for one in reports] == [event.id]


async def test_off_by_default(hear, soon):
    """Without `report_failures` nothing is published."""
    bus, reports = EventBus(), []
    hear(fails, LOGIN, on=bus)
    hear(reports.append, ERROR, on=bus)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert reports == []


async def test_skipped_is_no_failure(bus, hear, soon):
    """What an interceptor skips is not reported."""
    from busway import SkipHandler

    reports = []

    def skips(event):
        raise SkipHandler

    hear(skips, LOGIN)
    hear(reports.append, ERROR)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert reports == []


async def test_never_while_handling_a_report(bus, hear, soon, logged):
    """A handler of ERROR_OCCURRED that fails is logged, and not reported."""
    reports = []

    def fails_too(event):
        reports.append(event)
        raise ValueError("too")

    hear(fails, LOGIN)
    hear(fails_too, ERROR)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert (len(reports), len(logged())) == (1, 2)


async def test_never_for_an_error_event_of_the_application(bus, hear, soon):
    """A failure while handling an ERROR_OCCURRED that the application published is not reported."""
    reports = []

    def fails_too(event):
        reports.append(event)
        raise ValueError("too")

    hear(fails_too, ERROR)
    event = Event(ERROR)
    await bus.publish(event)
    await soon(bus.drain())
    assert reports == [event]


async def test_never_for_an_event_that_middleware_made_an_error(bus, hear, soon):
    """A failure while handling what middleware turned into ERROR_OCCURRED is not reported."""
    reports = []

    def fails_too(event):
        reports.append(event)
        raise ValueError("too")

    bus.add_middleware(lambda event: event.replace(type=ERROR))
    hear(fails_too, ERROR)
    event = Event(LOGIN)
    await bus.publish(event)
    await soon(bus.drain())
    assert [one.id for one in reports] == [event.id]


@pytest.mark.parametrize("way", ["publish", "publish_many", "publish_soon", "task"])
async def test_never_for_events_published_while_handling_one(bus, hear, soon, way):
    """A handler of ERROR_OCCURRED may publish what fails again: no endless loop."""
    reports, tasks = [], []

    async def publishes(event):
        reports.append(event)
        if len(reports) > 20:
            pytest.fail("an endless loop")
        again = Event(LOGIN)
        if way == "task":
            tasks.append(asyncio.create_task(bus.publish(again)))
        elif way == "publish_soon":
            bus.publish_soon(again)
        else:
            await getattr(bus, way)([again] if way == "publish_many" else again)

    hear(fails, LOGIN)
    hear(publishes, ERROR)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    await soon(bus.drain())
    assert len(reports) == 1


async def test_slow_handler_of_reports_holds_up_no_publisher(bus, hear, soon):
    """The publisher of the failed event does not wait for the report to be handled."""
    gate, handled = asyncio.Event(), []

    async def slow(event):
        await gate.wait()
        handled.append(event)

    hear(fails, LOGIN)
    hear(slow, ERROR)
    result = await soon(bus.publish(Event(LOGIN)))
    assert (result.ok, handled) == (False, [])
    gate.set()
    assert await soon(bus.drain()) == []
    assert len(handled) == 1


async def test_report_is_kept_alive(bus, hear, soon):
    """A report on its way is not lost to the garbage collector."""
    held = []

    async def waits(event):
        future = asyncio.get_running_loop().create_future()
        held.append(weakref.ref(future))  # nothing but the handler itself refers to it
        await future

    hear(fails, LOGIN)
    hear(waits, ERROR)
    await bus.publish(Event(LOGIN))
    await asyncio.sleep(0)
    gc.collect()
    assert [one() is not None for one in held] == [True]
    held[0]().set_result(None)
    assert await soon(bus.drain()) == []


async def test_drain_waits_for_reports(bus, hear, soon):
    """A report on its way is counted by `drain`."""
    gate = asyncio.Event()
    hear(fails, LOGIN)
    hear(lambda _: gate.wait(), ERROR)
    await bus.publish(Event(LOGIN))
    (left,) = await bus.drain(0)
    assert left.type is ERROR
    gate.set()
    assert await soon(bus.drain()) == []


async def test_exit_delivers_reports(bus, hear):
    """Leaving the bus delivers reports of failures in its last events."""
    reports = []
    hear(fails, LOGIN)
    hear(reports.append, ERROR)
    async with bus:
        bus.publish_soon(Event(LOGIN))
    assert len(reports) == 1


async def test_report_that_middleware_refuses_is_only_logged(bus, hear, soon, logged):
    """A report that itself fails is logged; nothing of it reaches the publisher."""

    def guard(event):
        if event.type is ERROR:
            raise RuntimeError("no reports")
        return event

    bus.add_middleware(guard)
    hear(fails, LOGIN)
    result = await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert [type(one) for one in result.errors] == [ValueError]
    assert ["no reports" in record.getMessage() for record in logged()] == [False, True]


async def test_report_on_a_bus_that_was_closed_is_only_logged(bus, hear, soon, logged):
    """A failure in a handler that closed the bus is reported to nobody, and logged."""

    def closes(event):
        bus.close()
        raise ValueError("why it failed")

    hear(closes, LOGIN)
    result = await bus.publish(Event(LOGIN))
    await asyncio.sleep(0)
    assert [type(one) for one in result.errors] == [ValueError]
    assert ["why it failed" in record.getMessage() for record in logged()] == [True, False]


async def test_report_beyond_max_pending_is_only_logged(hear, soon, logged):
    """A report that finds no room is logged; nothing of it reaches the publisher."""
    bus, gate = EventBus(report_failures=True, max_pending=1), asyncio.Event()
    hear(lambda _: gate.wait(), LOGOUT, on=bus)
    hear(fails, LOGIN, on=bus)
    bus.publish_soon(Event(LOGOUT))
    result = await bus.publish(Event(LOGIN))
    await asyncio.sleep(0)
    assert [type(one) for one in result.errors] == [ValueError]
    assert len(logged()) == 2
    gate.set()
    assert await soon(bus.drain()) == []


async def test_contextvars_of_report_handlers_reach_no_publisher(bus, hear, soon):
    """What the report's handlers do to their context and task is their own."""
    from contextvars import ContextVar

    variable = ContextVar("test_report", default="the publisher's")

    def sets(event):
        variable.set("theirs")
        asyncio.current_task().cancel()

    hear(fails, LOGIN)
    hear(sets, ERROR)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert (variable.get(), asyncio.current_task().cancelling()) == ("the publisher's", 0)


async def test_failure_of_an_exception_without_message(bus, hear, soon):
    """An exception whose `__str__` raises is reported all the same."""

    class UnspeakableError(Exception):
        def __str__(self):
            raise RuntimeError

    def raises(event):
        raise UnspeakableError

    reports = []
    hear(raises, LOGIN)
    hear(reports.append, ERROR)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    assert ["UnspeakableError" in one.payload["message"] for one in reports] == [True]


async def test_report_can_be_written_as_json(bus, hear, soon):
    """A report's payload is JSON as it stands."""
    import json

    reports = []
    hear(fails, LOGIN)
    hear(reports.append, ERROR)
    await bus.publish(Event(LOGIN))
    await soon(bus.drain())
    written = json.loads(json.dumps(reports[0].to_dict()))
    assert Event.from_dict(written) == reports[0]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_interrupt_in_a_report_handler_reaches_no_publisher(error):
    """An interrupt from a handler of a report ends the loop's run, not the failed publish."""
    bus, returned = EventBus(report_failures=True), []

    class Fails:
        event_types = (LOGIN,)
        handle = staticmethod(fails)

    class Interrupts:
        event_types = (ERROR,)

        def handle(self, event):
            raise error

    bus.subscribe(Fails())
    bus.subscribe(Interrupts())

    async def publisher():
        returned.append(await bus.publish(Event(LOGIN)))
        await bus.drain(1)

    with pytest.raises(error):
        asyncio.run(publisher())
    assert [type(one) for result in returned for one in result.errors] == [ValueError]


async def test_cancelled_publisher_does_not_cancel_the_report(bus, hear, soon):
    """A report lives on when the publisher of the failed event is cancelled."""
    gate, handled = asyncio.Event(), []

    async def slow(event):
        await gate.wait()
        handled.append(event)

    async def fails_then(event):
        raise ValueError

    hear(fails_then, LOGIN)
    hear(lambda _: asyncio.Event().wait(), LOGIN)
    hear(slow, ERROR)
    task = asyncio.create_task(bus.publish(Event(LOGIN)))
    await asyncio.sleep(0)
    task.cancel()
    await soon(asyncio.wait([task]))
    gate.set()
    assert await soon(bus.drain()) == []
    assert len(handled) == 1
