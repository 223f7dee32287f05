"""Busway's audit trail: every event, on disk, chained so that tampering shows."""

from busway_audit.checkpoint import ChainHead, Checkpoint, read_checkpoints
from busway_audit.exceptions import BufferFullError, KeyFormatError, SignatureError, TrailError
from busway_audit.findings import Finding
from busway_audit.handler import AuditLogHandler
from busway_audit.keys import read_key
from busway_audit.verification import Verification, verify

__all__ = [
    "AuditLogHandler",
    "BufferFullError",
    "ChainHead",
    "Checkpoint",
    "Finding",
    "KeyFormatError",
    "SignatureError",
    "TrailError",
    "Verification",
    "read_checkpoints",
    "read_key",
    "verify",
]
