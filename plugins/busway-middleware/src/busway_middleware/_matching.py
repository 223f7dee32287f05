"""Names and patterns that a text is held against."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Names", "is_pattern"]


class Names:
    """Matches a text that is one of some names, or fits one of some patterns.

    A name with `*`, `?` or `[` is a pattern, as of file names: `*` stands for any text, dots
    included. The case counts.

    Args:
        names: names and patterns; without any, nothing matches.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._exact = frozenset(name for name in names if not is_pattern(name))
        patterns = "|".join(translate(name) for name in names if is_pattern(name))
        self._pattern = re.compile(patterns or r"(?!)")

    def match(self, text: str) -> bool:
        """Whether the whole of a text is one of them."""
        return text in self._exact or self._pattern.match(text) is not None


def is_pattern(name: str) -> bool:
    """Whether a name stands for more than itself."""
    return not set("*?[").isdisjoint(name)
