"""Event types that conform, and an enum for each way not to."""

from __future__ import annotations

from tests.testing.suites import Plugin

__all__ = ["BAD", "GOOD"]

WELL = """
class Plugin(StrEnum):
    PLACED = "order.placed"
    SHIPPED = "order.parcel.shipped"
"""

GOOD = {
    "orders": Plugin(WELL),
    "by-hooks": Plugin(
        """
        class Parcel(StrEnum):
            SENT = "parcel.sent"

        @busway.hookimpl
        def busway_event_types():
            return [Parcel]
        """,
        attribute="",
        group="busway.plugins",
    ),
    "registered-on-import": Plugin(
        """
        @busway.register_event_types
        class Plugin(StrEnum):
            SENT = "letter.sent"
        """
    ),
}

LOADS = "test_loads_with_its_defaults"
NAMESPACED = "test_values_are_namespaced"
CLAIMED = "test_values_are_claimed_by_no_other"
JSON = "test_values_survive_json"

BAD = {
    "no-enum": Plugin("class Plugin: ...", LOADS, "is not a StrEnum subclass with members"),
    "plain-enum": Plugin(
        "import enum\nclass Plugin(enum.Enum):\n    SENT = 'parcel.sent'", LOADS, "StrEnum subclass"
    ),
    "bare": Plugin(
        "class Plugin(StrEnum):\n    SENT = 'sent'", NAMESPACED, "'sent'> has no namespace: name it"
    ),
    "half": Plugin("class Plugin(StrEnum):\n    SENT = 'parcel.'", NAMESPACED, "has no namespace"),
    "clash": Plugin(
        "class Plugin(StrEnum):\n    CREATED = 'user.created'",
        CLAIMED,
        "<Plugin.CREATED: 'user.created'> claims what is <EventType.USER_CREATED: 'user.created'> "
        "already: give it a namespace of its own",
    ),
    "unlike-its-value": Plugin(
        """
        class Plugin(StrEnum):
            SENT = "telegram.sent"

            @property
            def value(self):
                return "telegram.lost"
        """,
        JSON,
        "is not read again: type: <Plugin.SENT: 'telegram.sent'> is of no registered enum",
    ),
}
