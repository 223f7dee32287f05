"""Globs of keys, as `fnmatch` understands them: `*`, `?`, `[...]`, `[!...]`; case counts."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["compiled", "literal", "matching", "stars_alone"]

# Caches differ in whether a backslash escapes; `?` is understood by all of them.
_ESCAPED: Final = {"*": "[*]", "?": "[?]", "[": "[[]", "\\": "?"}


def literal(text: str) -> str:
    """A glob that a text matches, and others only in the place of a backslash in it."""
    return "".join(_ESCAPED.get(one, one) for one in text)


def compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    """What matches the keys that match one of the patterns, of which there are some."""
    return re.compile("|".join(translate(one) for one in patterns))


def matching(keys: Iterable[object], patterns: Collection[str]) -> list[str]:
    """Those keys that match one of the patterns."""
    if not patterns:
        return []
    glob = compiled(patterns)
    return [key for key in keys if isinstance(key, str) and glob.match(key)]


def stars_alone(pattern: str) -> str:
    """A glob that matches the same and more, without any special character but `*`.

    That is what all backends understand alike: to cashews' memory the rest is a regular
    expression, and redis has negations, escapes and unclosed brackets of its own.
    """
    return re.sub(r"\*+", "*", re.sub(r"\[!?\]?[^\]]*\]|[^\w\s:/@,;=~-]", "*", pattern))
