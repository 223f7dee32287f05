"""Opening: the broker that a URL names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from busway_bridge.exceptions import BridgeError

if TYPE_CHECKING:
    from types import ModuleType

    from busway_bridge._brokers.base import Broker, Take
    from busway_bridge._options import Options

__all__ = ["broker_of", "module_of"]


def broker_of(options: Options, take: Take | None = None, sends: tuple[str, ...] = ()) -> Broker:
    """The broker, not open yet.

    Raises:
        BridgeError: if its client is not installed.
    """
    made: Broker = module_of(options).make(options, take, sends)
    return made


def module_of(options: Options) -> ModuleType:
    """The module of its kind. It takes seconds to import: not while a bus waits for a start.

    Raises:
        BridgeError: if its client is not installed.
    """
    try:
        return import_module(f"busway_bridge._brokers.{options.kind}")
    except ImportError as error:
        raise BridgeError(
            f"{options.via} needs a client: pip install 'busway-bridge[{options.kind}]' ({error})"
        ) from error
