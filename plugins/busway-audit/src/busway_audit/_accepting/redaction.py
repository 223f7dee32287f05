"""Redaction: values that are never written, by the keys that they stand under."""

from __future__ import annotations

import hmac
import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["REDACTED", "Redaction"]

REDACTED: Final = "[redacted]"

_DOMAIN: Final = b"busway-audit-redact-1\0"
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MOST_KNOWN: Final = 10_000
_encoder: Final = msgspec.json.Encoder(order="deterministic")


class Redaction:
    """Replaces what stands under certain keys, at whatever depth.

    A name stands for a key that is it, or ends in it as a word of its own, whatever the case:
    `token` for `token`, `access_token`, `X-Auth-Token`, `accessToken`; not for `tokens` or
    `token_count`. With `*`, `?` or `[` it is a pattern for the whole key, as of file names.

    Args:
        names: which keys.
        key: without one, `[redacted]` stands in. With one, a keyed hash of the value does too: so
            equal values can be told to be equal, and nothing else of them.
    """

    def __init__(self, names: Collection[str], key: bytes | None = None) -> None:
        self._key = key
        self._pattern = re.compile("|".join(map(_pattern, names)) or r"(?!)")
        self._known: set[str] = set()  # keys that were looked at, and stand for nothing hidden

    def hides_none(self, fields: Mapping[str, object]) -> bool:
        """Whether none of these keys is one of them: quick, for keys that were seen before."""
        return self._known.issuperset(fields) or not any(map(self._hides, fields))

    def apply(self, value: object) -> object:
        """A plain value without what is hidden; what need not be changed is not copied."""
        if isinstance(value, dict):
            return self._apply_to_mapping(value)
        if isinstance(value, (list, tuple)):
            items = [self.apply(item) for item in value]
            return items if any(map(_is_other, items, value)) else value
        return value

    def _apply_to_mapping(self, fields: dict[str, object]) -> dict[str, object]:
        changed: dict[str, object] = {}
        for name, value in fields.items():
            if self._hides(name):
                changed[name] = self._stand_in(value)
            elif name == "__items__" and isinstance(value, list):
                changed[name] = [self._apply_to_pair(pair) for pair in value]
            elif (applied := self.apply(value)) is not value:
                changed[name] = applied
        return {**fields, **changed} if changed else fields

    def _apply_to_pair(self, pair: object) -> object:
        """Of a mapping with two keys of one text, which is written as a list of pairs."""
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str):
            ((_, value),) = self._apply_to_mapping({pair[0]: pair[1]}).items()
            return [pair[0], value]
        return self.apply(pair)

    def _hides(self, name: str) -> bool:
        if name in self._known:
            return False
        if self._pattern.fullmatch(_words(name)) or self._pattern.fullmatch(name.lower()):
            return True
        if len(self._known) >= _MOST_KNOWN:  # of keys that are data: ids, say
            self._known.clear()
        self._known.add(name)
        return False

    def _stand_in(self, value: object) -> str:
        if self._key is None:
            return REDACTED
        digest = hmac.digest(self._key, _DOMAIN + _encoder.encode(value), "sha256")
        return f"[redacted:{digest.hex()[:32]}]"


def _pattern(name: str) -> str:
    if set("*?[") & set(name):
        return translate(name.lower())
    return rf"(?:.*_)?{re.escape(_words(name))}"


def _words(key: str) -> str:
    """A key in small letters, its words apart: `accessToken` and `Access-Token` as one."""
    return _BETWEEN_WORDS.sub("_", key).strip("_").lower()


def _is_other(one: object, other: object) -> bool:
    return one is not other
