"""Rate limits: so many events in a moving window, by type, source or a key of the payload."""

from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Final, Literal
from uuid import UUID

from limits import RateLimitItem, parse_many
from limits.strategies import MovingWindowRateLimiter

from busway.events import Event
from busway_middleware._counts import Counts
from busway_middleware._exempt import exempt_of
from busway_middleware._matching import Names
from busway_middleware._settings import count_of, names_of, text_of
from busway_middleware._windows import MovingWindows

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["RateLimitMiddleware"]

_MOST_KEYS: Final = 10_000_000
_MOST_EVENTS: Final = 1_000_000
_LONGEST: Final = 100
"""Characters of a key that are kept as they are; of a longer one a hash is."""


class RateLimitMiddleware:
    """Stops events beyond a rate.

    The window moves: in no span of that length do more pass. What was stopped does not count
    against the rate. Time is that of arrival, by a clock that is never set back.

    Events without the key, or with one that is no text, number or UUID, are limited together.

    Threads: it may be called from several at once.

    Args:
        rate: how many in how long: `100/minute`, `5 per 10 seconds`; as the library `limits`
            reads it.
        per: what each has a rate of its own: every type of event, every source, or every value
            of a key of the payload.
        key: which key, for `per = "key"`.
        types: the types that are limited, which may be patterns.
        exempt: types that are not; those that make caches forget if None, but for what `types`
            has by its very name.
        max_keys: how many types, sources or values are remembered. The one that was not seen for
            the longest time is given up first, and may have its whole rate again.

    Raises:
        TypeError: if a setting is not as described; it names the setting.
        ValueError: if the rate cannot be read, a number is out of range, or `per` and `key` do
            not go together, or `types` and an `exempt` that is given have a type in common.

    >>> limit = RateLimitMiddleware(rate="1/minute", per="key", key="ip_address")
    >>> event = Event("user.login_failed", {"ip_address": "192.0.2.7"})
    >>> limit(event) is event, limit(event)
    (True, None)
    """

    name = "ratelimit"
    enabled_by_default = False

    def __init__(
        self,
        *,
        rate: str,
        per: Literal["type", "source", "key"] = "type",
        key: str | None = None,
        types: Collection[str] = ("*",),
        exempt: list[str] | None = None,
        max_keys: int = 10_000,
    ) -> None:
        self._rate = _rate_of(rate)
        self._per = per
        self._key = _key_of(per, key)
        limited = names_of("types", types)
        self._types = Names(limited)
        self._exempt = exempt_of(exempt, "types", limited)
        self._windows = MovingWindows(count_of("max_keys", max_keys, most=_MOST_KEYS))
        self._limiter = MovingWindowRateLimiter(self._windows)
        self._counts = Counts("limited")

    def __call__(self, event: Event) -> Event | None:
        """The event, or None if it is one too many."""
        if not self._types.match(event.type) or self._exempt.match(event.type):
            return event
        if self._limiter.hit(self._rate, self._bucket(event)):
            return event
        self._counts.add("limited", f"limited_{event.type}")
        return None

    def health(self) -> Mapping[str, int | str]:
        """`limited`: events that were stopped, in all and by type, `limited_user.login`.

        `keys`: types, sources or values remembered now. `evicted_keys`: those that were given up
        to keep within `max_keys` while they still counted.
        """
        return {
            **self._counts.read(),
            "keys": len(self._windows),
            "evicted_keys": self._windows.evicted,
        }

    def _bucket(self, event: Event) -> str:
        if self._per == "type":
            return event.type.value
        text = event.source if self._per == "source" else _text(event.payload.get(self._key))
        return (
            text if len(text) <= _LONGEST else blake2b(text.encode("utf-8", "replace")).hexdigest()
        )


def _text(value: object) -> str:
    """A key's value as a text, of whatever can be told apart by it; "" of anything else."""
    if isinstance(value, int):
        return f"int {value:x}"  # there are ints too long for a decimal text
    if isinstance(value, UUID):
        return f"uuid {value}"
    return f"str {value}" if value and isinstance(value, str) else ""


def _rate_of(rate: object) -> RateLimitItem:
    try:
        limits = parse_many(text_of("rate", rate))
    except ValueError:
        limits = []
    if len(limits) != 1 or not 1 <= limits[0].amount <= _MOST_EVENTS:
        raise ValueError(
            f"rate: one like '100/minute' or '5 per 10 seconds' is expected, of 1 to "
            f"{_MOST_EVENTS} events, not {rate!r}"
        )
    return limits[0]


def _key_of(per: object, key: object) -> str:
    if per not in ("type", "source", "key"):
        raise ValueError(f"per: 'type', 'source' or 'key' is expected, not {per!r}")
    if (per == "key") != (key is not None):
        raise ValueError('key: one is needed with per = "key", and with no other')
    return "" if key is None else text_of("key", key)
