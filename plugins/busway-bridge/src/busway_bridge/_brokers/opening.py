"""Opening: the broker that a URL names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from busway_bridge.exceptions import BridgeError

if TYPE_CHECKING:
    from busway_bridge._brokers.base import Broker, Take
    from busway_bridge._options import Options

__all__ = ["broker_of"]


def broker_of(options: Options, take: Take | None = None, sends: tuple[str, ...] = ()) -> Broker:
    """The broker, not open yet.

    Raises:
        BridgeError: if its client is not installed.
    """
    try:
        module = import_module(f"busway_bridge._brokers.{options.kind}")
    except ImportError as error:
        raise BridgeError(
            f"{options.via} needs a client: pip install 'busway-bridge[{options.kind}]' ({error})"
        ) from error
    made: Broker = module.make(options, take, sends)
    return made
