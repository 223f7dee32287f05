"""Checkpoints: where the chains of a trail ended at some time, to be kept elsewhere."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from busway_audit.exceptions import SignatureError, TrailError
from busway_audit.keys import is_signed_by, sign

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ChainHead", "Checkpoint", "read_checkpoints"]

_VERSION: Final = 1
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_DOMAIN: Final = b"busway-audit-checkpoint-1\0"
_SIGNATURE: Final = re.compile(rb'(.*),"signature":"([0-9a-f]{128})"\}', re.DOTALL)


class ChainHead(msgspec.Struct, frozen=True):
    """Where one slot's chain ended.

    Attributes:
        slot: the slot.
        log: the id of its log.
        segment: the number of its last segment.
        seq: that of its last commit.
        hash: that of its last commit.
    """

    slot: int
    log: str
    segment: int
    seq: int
    hash: str


class Checkpoint(msgspec.Struct, frozen=True):
    """Where all chains of a trail ended.

    Attributes:
        heads: one a slot.
        made_at: when.
        version: of this format.
    """

    heads: tuple[ChainHead, ...]
    made_at: _Time
    version: int = msgspec.field(default=_VERSION, name="checkpoint")

    def to_line(self, private_key: bytes | None = None) -> bytes:
        r"""One line of JSON, without its `\n`.

        Args:
            private_key: PEM of an Ed25519 key, to sign it.

        Raises:
            KeyFormatError: if it is no such key.
            ModuleNotFoundError: if cryptography is not installed.
        """
        line = msgspec.json.encode(self)
        if private_key is None:
            return line
        before = line.removesuffix(b"}")
        signature = sign(private_key, _DOMAIN + before).hex().encode()
        return before + b',"signature":"' + signature + b'"}'

    @classmethod
    def from_line(cls, line: bytes, public_key: bytes | None = None) -> Checkpoint:
        """What `to_line` wrote.

        Args:
            line: the line.
            public_key: PEM of the Ed25519 key that must have signed it; None if any will do,
                or none.

        Raises:
            SignatureError: if it was not signed by that key.
            TrailError: if it is no checkpoint.
            KeyFormatError: if that is no such key.
            ModuleNotFoundError: if cryptography is not installed.
        """
        if public_key is not None:
            _check_signature(line, public_key)
        try:
            made = msgspec.json.decode(line, type=cls)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise TrailError("it is no checkpoint") from None
        if made.version != _VERSION:
            raise TrailError(f"it is a checkpoint of version {made.version}: update busway-audit")
        return made


def _check_signature(line: bytes, public_key: bytes) -> None:
    signed = _SIGNATURE.fullmatch(line)
    if signed is None:
        raise SignatureError("it is not signed")
    if not is_signed_by(public_key, _DOMAIN + signed[1], bytes.fromhex(signed[2].decode())):
        raise SignatureError("it was not signed by this key, or was changed")


def read_checkpoints(path: Path, public_key: bytes | None = None) -> list[Checkpoint]:
    """The checkpoints in a file, one a line.

    Args:
        path: the file.
        public_key: as in `Checkpoint.from_line`.

    Raises:
        OSError: if it cannot be read.
        SignatureError: if one was not signed by that key; it names the line.
        TrailError: if one is no checkpoint, or there is none.
    """
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                found.append(Checkpoint.from_line(line.strip(), public_key))
            except TrailError as error:
                raise type(error)(f"{path}:{number}: {error}") from None
    if not found:
        raise TrailError(f"{path}: there is no checkpoint in it")
    return found
