"""Redaction: values under certain keys are replaced before any handler sees them."""

import hmac
import json
import re
from collections.abc import Collection, Mapping
from fnmatch import translate
from typing import Final, TypeAlias

from busway.events import Event
from busway_middleware._counts import Counts
from busway_middleware._settings import key_of, names_of

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["REDACTED", "RedactionMiddleware"]

REDACTED: Final = "[redacted]"
"""What stands in the place of a value."""

_DEFAULT: Final = ("password", "token", "authorization")
_DOMAIN: Final = b"busway-middleware-redact-1\0"
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MOST_KNOWN: Final = 10_000
_LONGEST_KNOWN: Final = 100
_MAX_DEPTH: Final = 100
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})  # most of what payloads hold
_Seen: TypeAlias = dict[int, tuple[object, object]]


class RedactionMiddleware:
    """Replaces what stands under certain keys of payload and metadata, at whatever depth.

    A name stands for a key that is it, or ends in it as a word of its own, whatever the case:
    `token` for `token`, `access_token`, `X-Auth-Token`, `accessToken`; not for `tokens` or
    `token_count`. With `*`, `?` or `[` it is a pattern for the whole key, as of file names.

    Mappings, lists and tuples are looked into, other objects are not. What is nested deeper than
    100 of them, or within itself, is replaced whole. The event that was given is not changed.

    Threads: it may be called from several at once.

    Args:
        redact: which keys.
        redact_key: 64 hex digits, a secret: without one, `[redacted]` stands in. With one, a
            keyed hash of the value does too, so that equal values can be told to be equal, and
            nothing else of them.

    Raises:
        TypeError: if a setting is not as described; it names the setting.
        ValueError: if the key is none; the message does not repeat it.

    >>> event = Event("user.login", {"user_id": 7, "login": {"accessToken": "s3cret"}})
    >>> RedactionMiddleware()(event).payload
    {'user_id': 7, 'login': {'accessToken': '[redacted]'}}
    """

    name = "redact"
    enabled_by_default = False

    def __init__(
        self, *, redact: Collection[str] = _DEFAULT, redact_key: str | None = None
    ) -> None:
        names = names_of("redact", redact)
        self._pattern = re.compile("|".join(map(_pattern, names)) or r"(?!)")
        self._key = key_of("redact_key", redact_key)
        self._known: set[str] = set()  # keys that were looked at, and stand for nothing hidden
        self._counts = Counts("redacted")

    def __call__(self, event: Event) -> Event:
        """The event without what is hidden; if there is nothing, the very one."""
        payload = self._apply(event.payload, {}, 0)
        metadata = self._apply(event.metadata, {}, 0) if event.metadata else event.metadata
        if payload is event.payload and metadata is event.metadata:
            return event
        self._counts.add("redacted")
        return event.replace(payload=payload, metadata=metadata)

    def health(self) -> Mapping[str, int | str]:
        """`redacted`: events of which something was replaced."""
        return self._counts.read()

    def _apply(self, value: object, seen: _Seen, depth: int) -> object:
        """A value without what is hidden; what need not be changed is not copied.

        Args:
            value: whatever a payload holds.
            seen: the containers that were met, by their ids, and what became of them; each is
                looked into once, so that neither a cycle nor shared parts can keep it busy.
            depth: how many containers it is in.
        """
        if type(value) in _SCALARS or not isinstance(value, (Mapping, list, tuple)):
            return value
        if id(value) not in seen:
            seen[id(value)] = value, REDACTED  # if it is met within itself
            if depth < _MAX_DEPTH:
                seen[id(value)] = value, self._apply_inside(value, seen, depth + 1)
        return seen[id(value)][1]

    def _apply_inside(
        self,
        container: Mapping[object, object] | list[object] | tuple[object, ...],
        seen: _Seen,
        depth: int,
    ) -> object:
        if isinstance(container, Mapping):
            changed: dict[object, object] = {}
            for key, value in container.items():
                if (type(key) is not str or key not in self._known) and self._hides(key):
                    changed[key] = self._stand_in(value)
                elif (applied := self._apply(value, seen, depth)) is not value:
                    changed[key] = applied
            return {**container, **changed} if changed else container
        items = [self._apply(item, seen, depth) for item in container]
        if all(one is other for one, other in zip(items, container, strict=True)):
            return container
        return items if isinstance(container, list) else tuple(items)

    def _hides(self, key: object) -> bool:
        name = _name(key)
        if self._pattern.fullmatch(_words(name)) or self._pattern.fullmatch(name.lower()):
            return True
        if len(self._known) >= _MOST_KNOWN:  # of keys that are data: ids, say
            self._known.clear()
        if len(name) <= _LONGEST_KNOWN:
            self._known.add(name)
        return False

    def _stand_in(self, value: object) -> str:
        if self._key is None:
            return REDACTED
        try:
            told = _canonical(value)
        except Exception:  # noqa: BLE001 - nested too deep, or a stranger's repr; hidden all the same
            return REDACTED
        digest = hmac.digest(self._key, _DOMAIN + told, "sha256")
        return f"[redacted:{digest.hex()[:32]}]"


def _name(key: object) -> str:
    """A key as the text that JSON would have of it, whatever its own `str()` makes of it."""
    if isinstance(key, str):  # the member of an enum, say
        return str.__str__(key)
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _canonical(value: object) -> bytes:
    """The same bytes for equal values, of those that JSON has."""
    try:
        return json.dumps(value, sort_keys=True, default=str).encode()
    except Exception:  # noqa: BLE001 - keys of several kinds, a cycle, a stranger's __str__
        return repr(value).encode("utf-8", "backslashreplace")


def _pattern(name: str) -> str:
    if set("*?[") & set(name):
        return translate(name.lower())
    return rf"(?:.*_)?{re.escape(_words(name))}"


def _words(key: str) -> str:
    """A key in small letters, its words apart: `accessToken` and `Access-Token` as one."""
    return _BETWEEN_WORDS.sub("_", key).strip("_").lower()
