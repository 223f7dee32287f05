"""Busway's outbox: what a durable handler has not done is done later, whatever happens."""

from busway_outbox.event_types import OutboxEvent
from busway_outbox.exceptions import OutboxError
from busway_outbox.idempotent import idempotent
from busway_outbox.outbox import Outbox

__all__ = ["Outbox", "OutboxError", "OutboxEvent", "idempotent"]
