"""Interceptors that conform, and one for each way not to."""

from __future__ import annotations

from tests.testing.suites import Plugin

__all__ = ["BAD", "GOOD"]


def around(body: str) -> str:
    """An interceptor whose call does this."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return (
        f"def Plugin(handler, call_next):\n    async def call(event):\n{lines}\n    return call\n"
    )


GOOD = {
    "leaves-alone": Plugin("def Plugin(handler, call_next): return call_next"),
    "limits": Plugin(
        """
        class Plugin:
            def __init__(self, seconds: float = 5.0):
                self.seconds = seconds

            def __call__(self, handler, call_next):
                async def call(event):
                    async with asyncio.timeout(self.seconds):
                        await call_next(event)
                return call
        """
    ),
    "retries": Plugin(
        around(
            """
for left in (1, 0):
    try:
        return await call_next(event)
    except Exception as error:
        if not left:
            raise RuntimeError("given up") from error
"""
        )
    ),
    "skips": Plugin(
        around("if not event.payload: raise busway.SkipHandler\nawait call_next(event)"),
        suite='event = Event("user.login", {"user_id": 7})',
    ),
}

CALL = "test_returns_an_async_call"
AWAITS = "test_awaits_the_handler"
FAILURES = "test_lets_failures_through"
CANCEL = "test_lets_cancellation_through"

BAD = {
    "nothing": Plugin("def Plugin(handler, call_next): ...", CALL, "returned None: it is to"),
    "sync": Plugin(
        "def Plugin(handler, call_next):\n    return lambda event: None", CALL, "or call_next as it"
    ),
    "drops": Plugin(around("pass"), AWAITS, "had handled 0 times"),
    "does-not-wait": Plugin(
        around("task = asyncio.ensure_future(call_next(event))\nawait asyncio.sleep(0)"),
        AWAITS,
        "write `await call_next(event)`",
    ),
    "twice": Plugin(
        around("await call_next(event)\nawait call_next(event)"), AWAITS, "had handled 2 times"
    ),
    "raises": Plugin(
        around("await call_next(event)\nevent.payload['ip']"),
        AWAITS,
        "raised though the handler returned",
    ),
    "always-skips": Plugin(
        around("raise busway.SkipHandler"), AWAITS, "give this class an `event`"
    ),
    "swallows": Plugin(
        around("with contextlib.suppress(Exception): await call_next(event)"),
        FAILURES,
        "raised, and the bus would see None",
    ),
    "forgets": Plugin(
        around(
            """
failed = False
try:
    await call_next(event)
except Exception:
    failed = True
if failed:
    raise RuntimeError("failed")
"""
        ),
        FAILURES,
        "the bus would see RuntimeError('failed'): let the exception pass",
    ),
    "keeps-going": Plugin(
        around("with contextlib.suppress(asyncio.CancelledError): await call_next(event)"),
        CANCEL,
        "cancelled at its suspension number 1, it returned",
    ),
}
