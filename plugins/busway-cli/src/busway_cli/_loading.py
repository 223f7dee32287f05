"""Loading: all installed plugins onto a bus, or a refusal in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway import BuswayError, load_plugins
from busway_cli._streams import Refusal, tell

if TYPE_CHECKING:
    from busway import EventBus, PluginReport

__all__ = ["load"]


def load(bus: EventBus) -> PluginReport:
    """Load the plugins; those that are broken are logged, and so named on stderr.

    Raises:
        Refusal: if the settings cannot be read, or `BUSWAY_STRICT` is set and one is broken.
    """
    try:
        return load_plugins(bus)
    except BuswayError as error:
        for note in getattr(error, "__notes__", ()):
            tell(note)
        raise Refusal(str(error)) from None
