"""Proof: a flood of failed logins costs bounded memory and bounded mails, and is counted exactly.

A hundred thousand addresses, one failure each, or as many as make an alert each; by default, and
with all that can be detected; the mails go to a live server, and are those that it has kept.
"""

from __future__ import annotations

import asyncio
import re
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

from tests.notify.mail_server import MailServer

from busway import Event
from busway_notify import NotificationHandler

_START = datetime(2026, 1, 1, tzinfo=UTC)
_ALL = ["address", "account", "spraying", "login"]
_PIECES = {
    "one failure an address": (1, None),
    "an alert an address": (5, None),
    "an alert an address, all detection": (5, _ALL),
}
_BOUND = 60_000_000
"""Bytes: what the README promises for the default `max_keys`, all detection."""


def pieces() -> list[str]:
    """Each flood, of 100,000 addresses, and of 2,000."""
    return [f"{count}: {name}" for count in (100_000, 2_000) for name in _PIECES]


def sample(seed: int) -> list[str]:
    """The first two, of 2,000 addresses: neither the bound on keys nor on mails is spared."""
    return [f"2000: {name}" for name in list(_PIECES)[:2]]


def run(piece: str) -> dict[str, int]:
    """One flood; what it cost."""
    count, _, name = piece.partition(": ")
    tries, detect = _PIECES[name]
    server = MailServer().start()
    try:
        return asyncio.run(_flood(server, int(count), tries, detect))
    finally:
        server.stop()


async def _flood(
    server: MailServer, addresses: int, tries: int, detect: list[str] | None
) -> dict[str, int]:
    handler = NotificationHandler(
        channels=[server.url],
        admins=["ops@example.org"],
        sender="busway@example.org",
        detect=detect,
        max_keys=10_000 if addresses >= 10_000 else 1000,
        flood_threshold=min(10_000, addresses // 2),
    )
    tracemalloc.start()
    begun = time.monotonic()
    for number in range(addresses * tries):
        who = number // tries
        payload = {
            "ip_address": f"10.{who >> 16}.{who >> 8 & 255}.{who & 255}",
            "user_id": f"user{who}",
        }
        at = _START + timedelta(seconds=300 * number / (addresses * tries))
        await handler.handle(Event("user.login_failed", payload, at))
    seconds = time.monotonic() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await handler.stop()
    _check(server, addresses, tries, detect, handler.health())
    assert peak < _BOUND, f"{peak} bytes"
    return {
        "failed logins": addresses * tries,
        "mails": len(server.mails),
        "MB at the peak": round(peak / 1e6),
        "seconds, traced": round(seconds),
    }


def _check(
    server: MailServer, addresses: int, tries: int, detect: list[str] | None, health: object
) -> None:
    """The bounds, and the counts in the summaries."""
    said = "\n".join(mail.message.get_body(("plain",)).get_content() for mail in server.mails)
    found = re.findall(r"^(\d+) failed logins within", said, re.MULTILINE)
    assert found == [str(addresses * tries)], found
    assert re.findall(r"not known before: (\d+)", said) == [str(addresses)]
    alerts = 0 if tries == 1 else addresses * (1 if detect is None else 2)
    withheld = re.findall(r"^(\d+) brute_force alerts withheld", said, re.MULTILINE)
    assert withheld == ([str(alerts - 100)] if alerts else [])
    assert len(server.mails) == (104 if alerts else 2), health
    assert set(server.ids().values()) == {1}
