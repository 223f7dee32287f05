r"""The chain: what a line of the trail is made of, and how each is sealed to the one before.

A line is one JSON object and `\n`. Its first keys are `seq` and `recorded_at`, its last `prev` and
`hash`; between them stand the keys of `Event.to_dict()`, or `record` and the keys of one of the
trail's own records:

- `segment`, the first line of every file: `version`, `log`, `slot`, `segment`, `seal`, `key_id` (if
  sealed by a key), `previous_size`, and, but for the first of a chain, `because`. Whatever its
  version, it is hashed as is told here.
- `started` (`pid`, `host`) and `stopped` (`pid`).
- `commit` (`first`, `events`): ends a batch, which began at the seq `first`. A batch without it is
  torn. Nothing but batches stands in a file; the header is the first record of one.
- `rotated` (`because`): the last of a full file, before its commit.
- `recovered` (`segment`, `cut`, `kept`): so many bytes of a torn batch were cut off that segment,
  and kept in that file. It stands in the first batch after.
- `gap` (`events`, `first_at`, `last_at`): here so many events were dropped, for want of room.

`seq` counts all lines of a slot's chain from 1, without a hole, through all its files. `prev` is
the `hash` of the line before, `NO_HASH` in the first. `hash` is the SHA-256, or with a key the
HMAC-SHA256, of a domain tag, the log's id and the exact bytes of the line before `,"hash":"`; so
nothing is ever encoded anew to be verified.

`previous_size` tells how many bytes of the segment before count. What stands beyond was never
acknowledged: its events are in this segment, or were lost in a crash before they were durable.

`because` in a header tells why the file before was left: `rotated`, `key changed`, `sync failed`,
`write failed` (and could not be cut back), `deleted`, `changed` (by another, while it was written
to), or found at the writer's start to be `damaged` or `cut`, or without its head file (`head
lost`): nothing more was written to it. Of a damaged one `previous_size` is as far as lines could be
followed; one is cut if the head file knew of the seq `head_seq`, which is not there any more.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ["NO_HASH", "VERSION", "BrokenLine", "Seal", "key_id", "parse_key", "split_line"]

VERSION: Final = 1
NO_HASH: Final = "0" * 64

_DOMAIN: Final = b"busway-audit-1\0"
_KEY_DOMAIN: Final = b"busway-audit-key-1\0"
_PREV: Final = b',"prev":"'
_HASH: Final = b',"hash":"'
_ENDING: Final = re.compile(rb',"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"}\n')
_ENDING_LENGTH: Final = len(_PREV) + 64 + 1 + len(_HASH) + 64 + 3
_KEY_BYTES: Final = 32
_BLOCK: Final = 64
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))


class BrokenLine(ValueError):  # noqa: N818 - it is no more than that
    """A line that does not end as every line of the trail does; the message says why."""


class Seal:
    """How the lines of one log are hashed.

    Args:
        log: the log's id, 32 hex digits.
        key: without one anybody can hash; with one, only who has it.

    Attributes:
        name: `sha256` or `hmac-sha256`.
        key_id: which key it is, if there is one, or "".
    """

    def __init__(self, log: str, key: bytes | None = None) -> None:
        self.log = log
        self.name = "sha256" if key is None else "hmac-sha256"
        self.key_id = "" if key is None else key_id(key)
        begun = _DOMAIN + log.encode("ascii") + b"\0"
        self._outer = None
        if key is not None:  # as `hmac.digest`, at a third of its price: RFC 2104, section 2
            block = key.ljust(_BLOCK, b"\0")
            self._outer = hashlib.sha256(block.translate(_OUTER_PAD))
            begun = block.translate(_INNER_PAD) + begun
        self._begun = hashlib.sha256(begun)

    def hash(self, before: bytes) -> str:
        """The hash of a line, of which `before` is all that stands before `,"hash":"`."""
        begun = self._begun.copy()
        begun.update(before)
        return begun.hexdigest() if self._outer is None else _finish(self._outer, begun)

    def line(self, fields: bytes, prev: str) -> tuple[bytes, str]:
        """A whole line, and its hash.

        Args:
            fields: the JSON object without its closing brace.
            prev: the hash of the line before.
        """
        before = b'%b,"prev":"%b"' % (fields, prev.encode())
        begun = self._begun.copy()  # as `hash`, in one call less
        begun.update(before)
        digest = begun.hexdigest() if self._outer is None else _finish(self._outer, begun)
        return b'%b,"hash":"%b"}\n' % (before, digest.encode()), digest


def _finish(outer: hashlib._Hash, inner: hashlib._Hash) -> str:
    """The HMAC, of its two hashes so far."""
    outer = outer.copy()
    outer.update(inner.digest())
    return outer.hexdigest()


def split_line(line: bytes) -> tuple[bytes, str, str]:
    """What of a line was hashed, the `prev` it claims, and the `hash` it claims.

    Raises:
        BrokenLine: if it is no whole line of a trail.
    """
    if not line.endswith(b"\n"):
        raise BrokenLine("it does not end in a newline")
    ending = _ENDING.fullmatch(line, max(0, len(line) - _ENDING_LENGTH))
    if ending is None:
        raise BrokenLine("it does not end in `prev` and `hash`")
    return line[: len(line) - len(_HASH) - 64 - 3], ending[1].decode(), ending[2].decode()


def key_id(key: bytes) -> str:
    """Which key it is, without telling the key: 16 hex digits."""
    return hashlib.sha256(_KEY_DOMAIN + key).hexdigest()[:16]


def parse_key(key: str | bytes) -> bytes:
    """A key as bytes.

    Args:
        key: 32 bytes, or the 64 hex digits that stand for them.

    Raises:
        ValueError: if it is neither; the message does not repeat it.
    """
    try:
        key = bytes.fromhex(key) if isinstance(key, str) else key
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("a key of 32 bytes is expected, or its 64 hex digits")
    return key
