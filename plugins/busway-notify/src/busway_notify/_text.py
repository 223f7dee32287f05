"""Text that is fit for people, out of values that anyone may have written."""

from __future__ import annotations

import re
from typing import Final, TypeGuard

__all__ = [
    "MAX_KEY",
    "MAX_MESSAGE",
    "MAX_REASON",
    "MAX_SUBJECT",
    "is_address",
    "one_line",
    "text_of",
]

MAX_KEY: Final = 128
MAX_MESSAGE: Final = 1000
MAX_REASON: Final = 300
MAX_SUBJECT: Final = 200

# RFC 5321, section 4.5.3.1.3: a path of 256 octets, its angle brackets included.
_MAX_ADDRESS: Final = 254
# Not RFC 5322's whole grammar: no quoted local parts, comments or groups, since what they allow
# (spaces, commas, a second @) is what header injection is made of.
_ADDRESS: Final = re.compile(r"""[^\s@,;:<>()\[\]\\"]+@[\w-]+(?:\.[\w-]+)*""")


def text_of(value: object) -> str:
    """Any value as text; it never raises.

    Args:
        value: `None` becomes "", bytes are read as UTF-8, the rest is what `str` makes of it.

    Returns:
        The text; the type's name in angle brackets if the value's own `__str__` raises.
    """
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "backslashreplace")
    try:
        return "" if value is None else str(value)
    except Exception:  # noqa: BLE001 - a payload's own __str__ may raise whatever it likes
        return f"<{type(value).__name__}>"


def one_line(text: str, most: int) -> str:
    """Text without control characters and line breaks, each run of them and of spaces one space.

    Args:
        text: from anywhere.
        most: the length to cut it to, "…" included.
    """
    start = text[: 4 * most]  # enough, and no attacker has us clean megabytes
    words = "".join(char if char.isprintable() else " " for char in start).split()
    line = " ".join(words)
    if len(line) <= most and len(start) == len(text):
        return line
    return line[: most - 1] + "…"


def is_address(value: object) -> TypeGuard[str]:
    """Whether a value can be one mail address, and nothing but one."""
    return (
        isinstance(value, str)
        and len(value) <= _MAX_ADDRESS
        and value.isprintable()
        and "=?" not in value  # RFC 2047: what it is decoded to may be two addresses
        and _ADDRESS.fullmatch(value) is not None
    )
