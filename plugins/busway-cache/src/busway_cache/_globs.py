"""Globs of keys, as caches understand them: `*`, `?`, `[...]`."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["literal", "matching", "stars_alone"]

# Caches differ in whether a backslash escapes; `?` is understood by all of them.
_ESCAPED: Final = {"*": "[*]", "?": "[?]", "[": "[[]", "\\": "?"}


def literal(text: str) -> str:
    """A glob that a text matches, and others only in the place of a backslash in it."""
    return "".join(_ESCAPED.get(one, one) for one in text)


def matching(keys: Iterable[object], patterns: Iterable[str]) -> list[str]:
    """Those keys that match one of the patterns."""
    translated = "|".join(translate(one) for one in patterns)
    if not translated:
        return []
    pattern = re.compile(translated)
    return [key for key in keys if isinstance(key, str) and pattern.match(key)]


def stars_alone(pattern: str) -> str:
    """A glob that matches the same and more, without any special character but `*`.

    That is what cashews' memory backend takes: the rest is a regular expression to it.
    """
    return re.sub(r"\*+", "*", re.sub(r"\[!?\]?[^\]]*\]|[^\w\s:/@,;=~-]", "*", pattern))
