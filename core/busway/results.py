"""Results: what became of a published event."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from busway.exceptions import HandlerCancelledError, HandlerError, SkipHandler
from busway.handlers import UNHEARD, handler_name

if TYPE_CHECKING:
    from busway.events import Event
    from busway.handlers import Handler, Snapshot
    from busway.middleware import Middleware

__all__ = ["HandlerOutcome", "PublishResult"]


@dataclass(frozen=True, slots=True)
class HandlerOutcome:
    """How one handler ended.

    Attributes:
        handler: the handler.
        status: `ok`, it returned; `failed`, it raised; `cancelled`, by `CancelledError`;
            `skipped`, an interceptor raised `SkipHandler`.
        exception: what was raised; None if it returned.
    """

    handler: Handler
    status: Literal["ok", "failed", "cancelled", "skipped"]
    exception: BaseException | None = None

    @classmethod
    def of(cls, handler: Handler, exception: BaseException | None) -> HandlerOutcome:
        """The outcome of a handler that raised `exception`, or returned if that is None."""
        if exception is None:
            return cls(handler, "ok")
        if isinstance(exception, SkipHandler):
            return cls(handler, "skipped", exception)
        if isinstance(exception, CancelledError):
            return cls(handler, "cancelled", exception)
        return cls(handler, "failed", exception)

    @property
    def error(self) -> Exception | None:
        """Why it is not well, as an `Exception`; None for `ok` and `skipped`.

        What is no `Exception` itself comes wrapped, in `HandlerCancelledError` or `HandlerError`,
        with the original as `__cause__`.
        """
        if self.status in ("ok", "skipped"):
            return None
        if isinstance(self.exception, Exception):
            return self.exception
        wrap = HandlerCancelledError if self.status == "cancelled" else HandlerError
        name = type(self.exception).__name__
        error = wrap(f"handler {handler_name(self.handler)} ended by {name}")
        error.__cause__ = self.exception
        return error


class PublishResult:
    """What became of one published event.

    Attributes:
        event: the event as the middleware left it; None if one stopped it.
        blocked_by: the middleware that stopped it, or None.
    """

    # What the outcomes are made of, if somebody asks. These are class attributes here and slots
    # of `Publication`: an event that nobody wanted pays for none of them.
    __slots__ = ("_errors", "event")

    blocked_by: Middleware | None = None
    snapshot: Snapshot = UNHEARD
    exceptions: dict[int, BaseException] | None = None

    def __init__(self, event: Event | None) -> None:
        self.event: Event | None = event

    @property
    def outcomes(self) -> tuple[HandlerOutcome, ...]:
        """One outcome a handler, in the order of subscription."""
        exceptions = self.exceptions or {}
        return tuple(
            HandlerOutcome.of(one.handler, exceptions.get(id(call)))
            for one, call in zip(self.snapshot.subscriptions, self.snapshot.calls, strict=True)
        )

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Why handlers failed or were cancelled, in their order: see `HandlerOutcome.error`."""
        if not self.exceptions:  # most asked, and nothing to be looked for
            return ()
        try:
            return self._errors
        except AttributeError:  # the first to ask
            told = (one.error for one in self.outcomes)
            self._errors: tuple[Exception, ...] = tuple(
                error for error in told if error is not None
            )
            return self._errors

    @property
    def ok(self) -> bool:
        """Whether it was dispatched, and no handler failed or was cancelled."""
        return self.event is not None and not self.errors

    def raise_for_errors(self) -> None:
        """Turn failures into an exception.

        Raises:
            ExceptionGroup: if a handler failed or was cancelled; it holds `errors`.
        """
        errors = self.errors
        if errors and self.event is not None:
            raise ExceptionGroup(f"handlers failed on {self.event.type} {self.event.id}", errors)

    def __repr__(self) -> str:
        if self.event is None:
            return f"<PublishResult blocked_by={self.blocked_by!r}>"
        counts: dict[str, int] = {}
        for outcome in self.outcomes:
            counts[outcome.status] = counts.get(outcome.status, 0) + 1
        told = " ".join(f"{status}={n}" for status, n in counts.items()) or "unhandled"
        return f"<PublishResult {self.event.type} {told}>"


class BlockedResult(PublishResult):
    """Of an event that a middleware has stopped."""

    __slots__ = ("blocked_by",)

    def __init__(self, blocked_by: Middleware) -> None:
        super().__init__(None)
        self.blocked_by: Middleware | None = blocked_by
