"""The exceptions of the resilience plugin.

* CircuitOpenError
* HandlerTimeoutError
"""

from __future__ import annotations

from busway import BuswayError

__all__ = ["CircuitOpenError", "HandlerTimeoutError"]


class CircuitOpenError(BuswayError):
    """A handler was not called: its last calls have failed, and it is too early for another.

    Attributes:
        handler: its name.
        retry_after: seconds until it is tried again.
    """

    def __init__(self, handler: str, retry_after: float, why: str) -> None:
        super().__init__(
            f"handler {handler} was not called: its circuit is open after {why}; it is tried "
            f"again in {retry_after:.1f} s"
        )
        self.handler = handler
        self.retry_after = retry_after


class HandlerTimeoutError(BuswayError, TimeoutError):
    """A handler did not end in its time, and was cancelled.

    A `TimeoutError` of the handler's own is none of these.

    Attributes:
        handler: its name.
        timeout: its time, in seconds.
    """

    def __init__(self, handler: str, timeout: float) -> None:
        super().__init__(f"handler {handler} did not end within {timeout:g} s")
        self.handler = handler
        self.timeout = timeout
