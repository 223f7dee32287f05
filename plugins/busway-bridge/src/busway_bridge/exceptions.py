"""The exceptions of the bridge.

BuswayError
└── BridgeError              a broker did not take, or does not keep, what it was given
    ├── BrokerAwayError      it cannot be reached
    └── WireError            a message is no event, or an event no message
"""

from __future__ import annotations

from busway.exceptions import BuswayError

__all__ = ["BridgeError", "BrokerAwayError", "WireError"]


class BridgeError(BuswayError):
    """A broker did not acknowledge an event in time, or cannot keep what is promised."""


class BrokerAwayError(BridgeError):
    """A broker cannot be reached, or does not let us in."""


class WireError(BridgeError):
    """A message holds no CloudEvent that is an event here; or an event has no JSON."""
