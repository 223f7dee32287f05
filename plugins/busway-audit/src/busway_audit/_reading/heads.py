"""The heads of a trail's sealed slots, as they are read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from busway_audit._format.head import HEAD_BYTES, Head, decode_head
from busway_audit._format.names import head_name
from busway_audit._reading.trail import open_file

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["heads_of"]

_TRIES: Final = 3  # a head may be rewritten while it is read
_NAME: Final = re.compile(r"audit(?:-w([1-9][0-9]*))?\.head")


def heads_of(directory: Path, keys: Collection[bytes]) -> dict[int, Head | None]:
    """The heads that are there, by slot; None for one that none of the keys has signed.

    Raises:
        OSError: if one cannot be read.
    """
    found = {}
    for path in directory.iterdir():
        named = _NAME.fullmatch(path.name)
        slot = int(named[1] or 1) if named else 0
        if slot and head_name(slot) == path.name:
            found[slot] = _read(path, keys)
    return found


def _read(path: Path, keys: Collection[bytes]) -> Head | None:
    for _ in range(_TRIES):
        with open_file(path) as file:
            data = file.read(HEAD_BYTES + 1)
        for key in keys if len(data) == HEAD_BYTES else ():
            try:
                return decode_head(data, key)
            except ValueError:
                continue
    return None
