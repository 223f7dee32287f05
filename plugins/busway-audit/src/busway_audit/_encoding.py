"""The encoding: an event as one line of JSON, whatever its payload holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from busway_audit._plain import is_plain, to_plain

if TYPE_CHECKING:
    from busway.events import Event

__all__ = ["encode"]

_encoder = msgspec.json.Encoder()

# JSON allows these within strings, but str.splitlines() and JavaScript end a line at them.
_SEPARATORS: Final = (
    ("\x85".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


def encode(event: Event) -> bytes:
    r"""The line that records an event: its `to_dict()` as one JSON object.

    Nothing in the event can forge a line: the only line separator in the result, by anyone's
    count, is the `\n` at its end.

    Args:
        event: its payload may hold anything; the README says which form each value takes.

    Returns:
        UTF-8, ending in `\n`.
    """
    record = event.to_dict()
    try:
        if is_plain(record):
            return _line(record)
    except (msgspec.MsgspecError, ArithmeticError, RuntimeError, TypeError, ValueError):
        pass  # a lone surrogate, or a payload that another thread is changing
    return _line(to_plain(record))


def _line(record: object) -> bytes:
    line = _encoder.encode(record)
    if not line.isascii():
        for separator, escape in _SEPARATORS:
            line = line.replace(separator, escape)
    return line + b"\n"
