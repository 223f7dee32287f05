"""The rules on 1,734 real events; the data is not part of the product (see its NOTICE.md)."""

import json
from collections import Counter
from pathlib import Path

import pytest

from busway.events import Event
from busway_notify import NotificationHandler

LOG = Path(__file__).parents[3] / "shared" / "data" / "linux-auth.jsonl"


@pytest.mark.skipif(not LOG.exists(), reason="the data is not here")
async def test_the_figures_counted_independently_are_met(recorder):
    """41 attacks by 39 addresses and 43 critical errors are told; nothing is skipped."""
    handler = NotificationHandler(channels=[recorder])
    with LOG.open() as lines:
        for line in lines:
            await handler.handle(Event.from_dict(json.loads(line)))
    assert Counter(each.kind for each in recorder.sent) == {"brute_force": 41, "critical_error": 43}
    assert len({each.key for each in recorder.sent if each.kind == "brute_force"}) == 39
    assert handler.health()["skipped_brute_force"] == 0
