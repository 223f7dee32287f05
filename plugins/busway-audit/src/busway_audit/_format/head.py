"""The head of a sealed slot: where its chain ends, signed, so that a cut tail shows."""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass
from typing import Final

__all__ = ["HEAD_BYTES", "Head", "decode_head", "encode_head"]

HEAD_BYTES: Final = 512
"""Of the whole file: a sector, which a disk writes whole or not at all."""

_DOMAIN: Final = b"busway-audit-head-1\0"


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ended when this was written: it may have gone on since, never back.

    Attributes:
        log: the id of the chain's log; "" if nothing has been written yet.
        segment: the number of the last segment; 0 if there is none yet.
        seq: that of the last record.
        hash: that of the last record.
    """

    log: str
    segment: int
    seq: int
    hash: str


def encode_head(head: Head, key: bytes) -> bytes:
    """The content of the head file: one JSON object, filled up with spaces, and a newline."""
    fields = asdict(head)
    text = json.dumps({**fields, "hmac": _sign(fields, key)}, separators=(",", ":"))
    return text.encode().ljust(HEAD_BYTES - 1) + b"\n"


def decode_head(data: bytes, key: bytes) -> Head:
    """The head that a file holds.

    Raises:
        ValueError: if it holds none, or one that was signed by another key.
    """
    try:
        fields = json.loads(data)
        signature = fields.pop("hmac")
        head = Head(**fields)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        raise ValueError("the head file holds no head") from None
    if not hmac.compare_digest(str(signature).encode(), _sign(fields, key).encode()):
        raise ValueError("the head was not signed by this key, or was changed")
    return head


def _sign(fields: dict[str, object], key: bytes) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, _DOMAIN + text.encode(), "sha256").hex()
