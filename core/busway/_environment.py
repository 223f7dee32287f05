"""What the environment says to Busway itself, beside the plugins' settings."""

from __future__ import annotations

import os
from typing import Final

from busway.exceptions import BuswayError

__all__ = ["VARIABLES", "flag"]

VARIABLES: Final = frozenset(
    {"BUSWAY_CONFIG", "BUSWAY_DEBUG", "BUSWAY_DISABLE", "BUSWAY_PLUGINS", "BUSWAY_STRICT"}
)
"""All there are."""

_MEANINGS: Final = {
    **dict.fromkeys(("", "0", "false", "no", "off"), False),
    **dict.fromkeys(("1", "true", "yes", "on"), True),
}


def flag(variable: str) -> bool:
    """Whether a variable is switched on; one that is not set is off.

    Raises:
        BuswayError: if it says neither yes nor no.
    """
    text = os.environ.get(variable, "")
    meaning = _MEANINGS.get(text.strip().lower())
    if meaning is None:
        raise BuswayError(f"{variable} must be 1 or 0, not {text!r}")
    return meaning
