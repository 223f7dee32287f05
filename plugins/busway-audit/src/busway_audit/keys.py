"""Keys: those that seal a trail, and the pairs that sign and verify checkpoints."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Final

from busway_audit._format.chain import parse_key
from busway_audit.exceptions import KeyFormatError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["create_key", "create_pair", "is_signed_by", "read_key", "sign"]

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_BYTES: Final = 32


def create_key(path: Path) -> None:
    """Write a new key for the audit log's `key` into a new file: 64 hex digits, random.

    Args:
        path: the file; only its owner may read it.

    Raises:
        FileExistsError: if there is something of that name already.
        OSError: if it cannot be written.
    """
    _create(path, f"{secrets.token_hex(_BYTES)}\n".encode(), 0o600)


def create_pair(path: Path) -> Path:
    """Write a new pair of Ed25519 keys: the private one into `path`, the public one beside it.

    Both are PEM, as OpenSSL reads them (PKCS #8 and SubjectPublicKeyInfo).

    Args:
        path: the private key's file; only its owner may read it.

    Returns:
        The public key's file: `path` with `.pub` behind it.

    Raises:
        FileExistsError: if there is something of one of the names already.
        OSError: if one cannot be written.
        ModuleNotFoundError: if cryptography is not installed.
    """
    # imported here: it comes with the extra `sign`
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    public = path.with_name(f"{path.name}.pub")
    told = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    kept = private.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _create(public, told, 0o644)
    try:
        _create(path, kept, 0o600)
    except OSError:
        public.unlink()
        raise
    return public


def read_key(path: Path) -> bytes:
    """The key that a file holds, as `create_key` wrote it.

    Raises:
        OSError: if it cannot be read.
        KeyFormatError: if it holds none; the message names the file, and repeats nothing of it.
    """
    try:
        return parse_key(path.read_bytes().decode("ascii").strip())
    except ValueError:
        raise KeyFormatError(f"{path}: 64 hex digits are expected, as keygen writes them") from None


def sign(private_key: bytes, data: bytes) -> bytes:
    """An Ed25519 signature.

    Args:
        private_key: PEM.
        data: what to sign.

    Raises:
        KeyFormatError: if it is no private Ed25519 key, or one with a password.
        ModuleNotFoundError: if cryptography is not installed.

    Source:
        RFC 8032.
    """
    # imported here: it comes with the extra `sign`
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFormatError("a private Ed25519 key is expected, in PEM, without a password")
    return key.sign(data)


def is_signed_by(public_key: bytes, data: bytes, signature: bytes) -> bool:
    """Whether it is the signature of that data by the owner of that key.

    Args:
        public_key: PEM.
        data: what was signed.
        signature: as `sign` returned it.

    Raises:
        KeyFormatError: if it is no public Ed25519 key.
        ModuleNotFoundError: if cryptography is not installed.
    """
    # imported here: it comes with the extra `sign`
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFormatError("a public Ed25519 key is expected, in PEM")
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _create(path: Path, content: bytes, mode: int) -> None:
    fd = os.open(path, _NEW, mode)
    try:
        os.fchmod(fd, mode)
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
