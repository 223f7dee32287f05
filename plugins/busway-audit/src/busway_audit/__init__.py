"""Busway's audit trail: every event, on disk, in the order it was accepted."""

from busway_audit.handler import AuditLogHandler
from busway_audit.verification import BadLine, Verification, verify

__all__ = ["AuditLogHandler", "BadLine", "Verification", "verify"]
