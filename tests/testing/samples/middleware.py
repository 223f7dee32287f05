"""Middleware that conforms, and one for each way not to."""

from __future__ import annotations

from tests.testing.suites import Plugin

__all__ = ["BAD", "GOOD"]


def passing(body: str) -> str:
    """A middleware that does this with the event."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"def Plugin(event):\n{lines}\n"


GOOD = {
    "passes": Plugin(passing("return event")),
    "stops": Plugin(passing("return None")),
    "marks": Plugin(
        """
        class Plugin:
            enabled_by_default = False

            def __init__(self, source: str = "here"):
                self.source = source

            def __call__(self, event):
                return event.replace(source=self.source)
        """
    ),
    "guards": Plugin(
        passing('if event.source != "web": raise PermissionError(event.source)\nreturn event'),
        suite='event = Event("user.login", source="web")',
    ),
}

SYNC = "test_is_sync"
RETURNS = "test_returns_an_event_or_none"
RAISES = "test_does_not_raise"
ALONE = "test_leaves_the_event_it_was_given_alone"
VALID = "test_passes_on_a_valid_event"
QUICK = "test_is_quick"

BAD = {
    "no-callable": Plugin("Plugin = 7", "test_loads_with_its_defaults", "is not a middleware"),
    "needs-parameter": Plugin(
        "class Plugin:\n    def __init__(self, rate: int): ...\n    def __call__(self, event): ...",
        "test_loads_with_its_defaults",
        "needs-parameter.rate: required, but not set",
    ),
    "async": Plugin(
        "async def Plugin(event): return event", SYNC, "middleware is a plain function"
    ),
    "async-call": Plugin(
        "class Plugin:\n    async def __call__(self, event): return event", SYNC, "is async"
    ),
    "true": Plugin(passing("return True"), RETURNS, "returned True for user.created: it is to"),
    "for-one-type": Plugin(
        passing('return event.payload if event.type == "audit.log" else event'),
        RETURNS,
        "returned {} for audit.log",
    ),
    "raises": Plugin(passing("event.payload['ip']\nreturn event"), RAISES, "KeyError: 'ip'"),
    "raises-for-one-type": Plugin(
        passing('if event.type == "item.deleted": raise ValueError\nreturn event'),
        RAISES,
        "raised on item.deleted {}, which stops the event: let what it does not know pass",
    ),
    "changes": Plugin(
        passing("event.payload['seen'] = True\nreturn event"),
        ALONE,
        "changed payload['seen'] of the event that it was given",
    ),
    "invalid": Plugin(
        passing(
            """
changed = event.replace()
object.__setattr__(changed, "source", 7)
return changed
"""
        ),
        VALID,
        "that is not valid: source: a str is expected, not int; make it by event.replace",
    ),
    "sleeps": Plugin(passing("time.sleep(0.02)\nreturn event"), QUICK, "do slow work in a handler"),
    "computes": Plugin(
        passing("sum(range(2_000_000))\nreturn event"), QUICK, "the quickest of 20 events"
    ),
}
