"""What all tests share: a clean environment, shared bus and registry of event types."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from tests.environments import environment, full, linux_auth, wheels

from busway import EventBus
from busway.events import event_types, unregister_event_types

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["environment", "full", "linux_auth", "wheels"]

# A job that a script started in the background ignores SIGINT, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[None]:
    """No settings from outside; afterwards no shared bus and no types but those from before."""
    for name in [name for name in os.environ if name.startswith("BUSWAY_")]:
        monkeypatch.delenv(name)
    before = set(map(type, event_types().values()))
    EventBus.reset()
    yield
    EventBus.reset()
    for enum in dict.fromkeys(map(type, event_types().values())):
        if enum not in before:
            unregister_event_types(enum)
