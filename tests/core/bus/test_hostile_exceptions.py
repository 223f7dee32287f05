"""Exceptions that do their worst: each is the outcome of its handler, and no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from busway import Event, EventBus, EventType, HandlerError, MiddlewareError, SkipHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    Hear = Callable[..., Any]
    Logged = Callable[[], list[Any]]

LOGIN, LOGOUT = EventType.USER_LOGIN, EventType.USER_LOGOUT


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class UnrepresentableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class FalsyError(Exception):
    def __bool__(self) -> bool:
        return False


class EmptyError(Exception):
    def __len__(self) -> int:
        return 0


class IncomparableError(Exception):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compare me not")

    def __hash__(self) -> int:
        raise RuntimeError("hash me not")


class EqualsAllError(Exception):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class EqualsNoneError(Exception):
    def __eq__(self, other: object) -> bool:
        return other is None

    __hash__ = None


class TwoInOneError(ValueError, asyncio.InvalidStateError):
    pass


class Group(ExceptionGroup[Exception]):
    """It cannot be split."""

    def derive(self, excs: Any) -> Any:
        raise RuntimeError("derive me not")


def circular() -> Exception:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    return one


EXCEPTIONS: dict[str, Callable[[], Exception]] = {
    "unspeakable": UnspeakableError,
    "unrepresentable": UnrepresentableError,
    "falsy": FalsyError,
    "empty": EmptyError,
    "incomparable": IncomparableError,
    "equals all": EqualsAllError,
    "equals None": EqualsNoneError,
    "two in one": TwoInOneError,
    "group": lambda: Group("held", [ValueError()]),
    "circular": circular,
}


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "after suspension"])
@pytest.mark.parametrize("make", EXCEPTIONS.values(), ids=EXCEPTIONS)
async def test_any_exception_is_an_outcome(
    hear: Hear, logged: Logged, make: Callable[[], Exception], suspends: bool
) -> None:
    """Outcome and `errors` hold the very object; it is logged once and reported once."""
    bus, error, reports = EventBus(report_failures=True), make(), []

    async def raises(event: Event) -> None:
        if suspends:
            await asyncio.sleep(0)
        raise error

    around: list[Event] = []
    hear(around.append, LOGIN, on=bus)
    hear(raises, LOGIN, on=bus)
    hear(around.append, LOGIN, on=bus)
    hear(reports.append, EventType.ERROR_OCCURRED, on=bus)
    result = await bus.publish(Event(LOGIN))
    await bus.drain()
    assert [one.status for one in result.outcomes] == ["ok", "failed", "ok"]
    assert result.outcomes[1].exception is error
    assert list(map(id, result.errors)) == [id(error)]
    assert (result.ok, len(around), len(reports), len(logged())) == (False, 2, 1, 1)
    with pytest.raises(ExceptionGroup) as caught:
        result.raise_for_errors()
    assert list(map(id, caught.value.exceptions)) == [id(error)]
    assert repr(result)


@pytest.mark.parametrize("make", EXCEPTIONS.values(), ids=EXCEPTIONS)
async def test_any_exception_of_a_middleware(
    bus: EventBus, hear: Hear, make: Callable[[], Exception]
) -> None:
    """It stops the event, and the publisher gets MiddlewareError with the object as its cause."""
    error, handled = make(), []

    def raises(event: Event) -> Event:
        raise error

    hear(handled.append)
    bus.add_middleware(raises)
    with pytest.raises(MiddlewareError) as caught:
        await bus.publish(Event(LOGIN))
    assert caught.value.__cause__ is error
    assert (caught.value.middleware, handled, await bus.drain(0)) == (raises, [], [])


@pytest.mark.parametrize("method", ["start", "stop"])
@pytest.mark.parametrize("make", EXCEPTIONS.values(), ids=EXCEPTIONS)
async def test_any_exception_of_start_and_stop(
    bus: EventBus, hear: Hear, logged: Logged, make: Callable[[], Exception], method: str
) -> None:
    """It is logged once, and keeps no other handler from starting and stopping."""
    error, calls = make(), []

    async def raises(*args: object) -> None:
        raise error

    async def notes(*args: object) -> None:
        calls.append(args)

    handlers = [hear(lambda _: None) for _ in range(3)]
    for handler in handlers:
        handler.start = handler.stop = notes
    setattr(handlers[1], method, raises)
    async with bus:
        assert (await bus.publish(Event(LOGIN))).ok
    assert len(calls) == (4 if method == "start" else 5)
    assert len(logged()) == 1


@pytest.mark.parametrize("place", ["handler", "interceptor"])
async def test_skip_with_a_text_that_raises(bus: EventBus, hear: Hear, place: str) -> None:
    """`SkipHandler` of whatever kind makes the outcome `skipped`."""

    class SkipError(SkipHandler, UnspeakableError):
        __bool__ = FalsyError.__bool__

    async def raises(event: Event) -> None:
        raise SkipError

    hear(raises if place == "handler" else lambda _: None)
    if place == "interceptor":
        bus.add_interceptor(lambda handler, call: raises)
    result = await bus.publish(Event(LOGIN))
    assert ([one.status for one in result.outcomes], result.errors) == (["skipped"], ())


async def test_one_exception_object_raised_by_all(bus: EventBus, hear: Hear) -> None:
    """Each handler that raises the same object has it as its outcome."""
    error = ValueError("shared")

    async def raises(event: Event) -> None:
        await asyncio.sleep(0)
        raise error

    for _ in range(3):
        hear(raises)
    result = await bus.publish(Event(LOGIN))
    assert [one.exception is error for one in result.outcomes] == [True] * 3


async def test_exception_that_was_an_outcome_may_be_raised_again(bus: EventBus, hear: Hear) -> None:
    """A handler may raise what it found in the result of a publish of its own."""

    def inner(event: Event) -> None:
        raise ValueError("inner")

    async def outer(event: Event) -> None:
        (await bus.publish(Event(LOGOUT))).raise_for_errors()

    hear(inner, LOGOUT)
    hear(outer, LOGIN)
    result = await bus.publish(Event(LOGIN))
    assert [str(error.exceptions[0]) for error in result.errors] == ["inner"]


async def test_what_is_no_exception_and_has_no_text(bus: EventBus, hear: Hear) -> None:
    """It appears wrapped in `errors`, though nothing can be asked of it."""

    class Worst(BaseException):
        __str__, __repr__ = UnrepresentableError.__str__, UnrepresentableError.__repr__
        __bool__ = FalsyError.__bool__
        __eq__, __hash__ = IncomparableError.__eq__, IncomparableError.__hash__

    raised = Worst()

    def raises(event: Event) -> None:
        raise raised

    hear(raises)
    (error,) = (await bus.publish(Event(LOGIN))).errors
    assert isinstance(error, HandlerError)
    assert error.__cause__ is raised
