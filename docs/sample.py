"""Writes sample.jsonl: a day in the life of a small shop, the same at every run.

python docs/sample.py > docs/sample.jsonl
"""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from busway import Event, EventType

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_VISITORS = 150
_INTRUDER = "203.0.113.66"  # of a range kept for documentation: RFC 5737


def main() -> None:
    """Print the events, in the order of their time."""
    chance = random.Random(7)  # noqa: S311 - a sample, not a secret
    for number, event in enumerate(sorted(_day(chance), key=lambda one: one.timestamp)):
        milliseconds = int(event.timestamp.timestamp() * 1000)
        fixed = event.replace(id=str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | number)))
        sys.stdout.write(json.dumps(fixed.to_dict()) + "\n")


def _day(chance: random.Random) -> Iterator[Event]:
    for visitor in range(_VISITORS):
        yield from _visit(chance, visitor, _DAY + timedelta(seconds=chance.randrange(36_000)))
    yield from _intrusion()
    yield from _trouble()


def _visit(chance: random.Random, visitor: int, begin: datetime) -> Iterator[Event]:
    user, address = f"user-{visitor}", f"198.51.100.{chance.randrange(1, 255)}"
    if chance.random() < 0.2:
        account = {"user_id": user, "email": f"{user}@example.org"}
        yield Event(EventType.USER_CREATED, account, begin, "shop/accounts")
    if chance.random() < 0.1:
        failed = {"user_id": user, "ip_address": address, "reason": "bad password"}
        yield Event(EventType.USER_LOGIN_FAILED, failed, begin + timedelta(seconds=9), "shop/web")
    login = {"user_id": user, "ip_address": address}
    yield Event(EventType.USER_LOGIN, login, begin + timedelta(seconds=20), "shop/web")
    for step in range(chance.randrange(3)):
        item = {"entity_type": "cart", "entity_id": visitor, "lines": step + 1}
        moment = begin + timedelta(seconds=60 + 30 * step)
        yield Event(EventType.ITEM_UPDATED, item, moment, "shop/carts")
    moment = begin + timedelta(seconds=300)
    yield Event(EventType.USER_LOGOUT, {"user_id": user}, moment, "shop/web")


def _intrusion() -> Iterator[Event]:
    """Nine failures within three minutes: one alert, and four that follow it in its cooldown."""
    for attempt in range(9):
        failed = {"user_id": "admin", "ip_address": _INTRUDER, "reason": "bad password"}
        moment = _DAY + timedelta(hours=3, seconds=20 * attempt)
        yield Event(EventType.USER_LOGIN_FAILED, failed, moment, "shop/web")


def _trouble() -> Iterator[Event]:
    """One critical error, the same a minute later, and one that is not critical."""
    for seconds, severity in ((0, "critical"), (60, "critical"), (90, "warning")):
        error = {"severity": severity, "component": "payments", "message": "gateway timed out"}
        moment = _DAY + timedelta(hours=5, seconds=seconds)
        yield Event(EventType.ERROR_OCCURRED, error, moment, "shop/payments")


if __name__ == "__main__":
    main()
