"""Busway's bridge: events between processes and machines, through a broker."""

from busway_bridge.event_types import BridgeEvent
from busway_bridge.exceptions import BridgeError, BrokerAwayError, TooLargeError, WireError
from busway_bridge.handler import BridgeHandler
from busway_bridge.transport import BrokerTransport
from busway_bridge.wire import decode, encode

__all__ = [
    "BridgeError",
    "BridgeEvent",
    "BridgeHandler",
    "BrokerAwayError",
    "BrokerTransport",
    "TooLargeError",
    "WireError",
    "decode",
    "encode",
]
