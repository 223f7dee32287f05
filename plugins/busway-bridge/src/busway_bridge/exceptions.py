"""The exceptions of the bridge.

BuswayError
└── BridgeError              a broker did not take, or does not keep, what it was given
    ├── BrokerAwayError      it cannot be reached
    ├── TooLargeError        it takes no message of that size
    └── WireError            a message is no event, or an event no message
"""

from __future__ import annotations

from busway.exceptions import BuswayError

__all__ = ["BridgeError", "BrokerAwayError", "TooLargeError", "WireError"]


class BridgeError(BuswayError):
    """A broker did not acknowledge an event in time, or cannot keep what is promised."""


class BrokerAwayError(BridgeError):
    """A broker cannot be reached, or does not let us in."""


class TooLargeError(BridgeError):
    """A broker takes no message of that size, however often it is tried."""


class WireError(BridgeError):
    """A message holds no CloudEvent that is an event here; or an event has no JSON."""
