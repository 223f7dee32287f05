"""A pytest plugin: every bus that a suite makes is one of those that the fixtures make."""

from __future__ import annotations

import busway
from busway_testing._bus import WatchedBus
from busway_testing._record import Record


class Watched(WatchedBus):
    """Made as any bus is."""

    def __init__(self, **options) -> None:
        super().__init__(Record(), **options)


busway.EventBus = Watched
