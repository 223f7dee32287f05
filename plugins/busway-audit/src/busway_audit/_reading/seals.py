"""Seals: how a segment is hashed, by what its header says and by the keys that are given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from busway_audit._format.chain import BrokenLine, Seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway_audit._format.record import Header
    from busway_audit._reading.trail import SegmentFile

__all__ = ["Sealed", "seal_of"]

_LOG: Final = re.compile(r"[0-9a-f]{32}")
_BARE: Final = "sha256"
_KEYED: Final = "hmac-sha256"


@dataclass(frozen=True, slots=True)
class Sealed:
    """The seal of a segment.

    Attributes:
        log: the id of its log.
        version: that of its format.
        seal: what hashes its lines; None if that takes a key that was not given.
        keyed: whether it says that it is sealed by a key.
        objection: why none of its lines holds, whatever their hashes; or "".
    """

    log: str
    version: int
    seal: Seal | None
    keyed: bool
    objection: str = ""


def seal_of(
    header: Header, segment: SegmentFile, before: Sealed | None, keys: Mapping[str, bytes]
) -> Sealed:
    """How a segment is sealed.

    Args:
        header: what its first line says.
        segment: its place among the others.
        before: the seal of the segment before it.
        keys: by their ids.

    Raises:
        BrokenLine: if the header cannot be that of this segment.
    """
    if not _LOG.fullmatch(header.log) or header.seal not in (_BARE, _KEYED):
        raise BrokenLine("its log or its seal is none")
    if (header.slot, header.segment) != (segment.slot, segment.number):
        raise BrokenLine(f"it is the header of segment {header.segment} of slot {header.slot}")
    if header.seal == _KEYED:
        return _keyed(header, keys)
    unlike = ""
    if before is not None and before.keyed:
        unlike = "it is not sealed by a key, as those before it are"
    elif keys and segment.next is None:  # the seal of a later one would cover it
        unlike = "it is not sealed by a key"
    if unlike:
        return Sealed(header.log, header.version, None, False, unlike)
    return Sealed(header.log, header.version, Seal(header.log), False)


def _keyed(header: Header, keys: Mapping[str, bytes]) -> Sealed:
    key = keys.get(header.key_id)
    seal = None if key is None else Seal(header.log, key)
    other = f"it is sealed by another key than was given: {header.key_id!r}"
    objection = other if keys and key is None else ""
    return Sealed(header.log, header.version, seal, True, objection)
