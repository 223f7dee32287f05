"""What all tests share: a clean environment, shared bus and registry of event types.

The environment in which they are run chooses what they run on: `TEST_LOOP=uvloop` another event
loop, `BUSWAY_DEBUG=1` buses in debug mode, `PYTHONASYNCIODEBUG=1` loops in theirs.
"""

from __future__ import annotations

import asyncio
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

_DEBUG = os.environ.get("BUSWAY_DEBUG")

if os.environ.get("TEST_LOOP") == "uvloop":  # as a policy: for the loops that tests make, too
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def pytest_configure(config: pytest.Config) -> None:
    """pytest-asyncio switches asyncio's debug mode off unless it is told not to."""
    if os.environ.get("PYTHONASYNCIODEBUG"):
        config.option.asyncio_debug = True


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[None]:
    """No settings from outside; afterwards no shared bus and no types but those from before."""
    for name in [name for name in os.environ if name.startswith("BUSWAY_")]:
        monkeypatch.delenv(name)
    if _DEBUG is not None:
        monkeypatch.setenv("BUSWAY_DEBUG", _DEBUG)
    before = set(map(type, event_types().values()))
    EventBus.reset()
    yield
    EventBus.reset()
    for enum in dict.fromkeys(map(type, event_types().values())):
        if enum not in before:
            unregister_event_types(enum)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buses are not in debug mode: for what holds without it alone."""
    monkeypatch.delenv("BUSWAY_DEBUG", raising=False)
