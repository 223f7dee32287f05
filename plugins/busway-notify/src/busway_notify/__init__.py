"""Busway's notifications: welcome mails, brute-force alerts, critical errors."""

from busway_notify.channels import Channel
from busway_notify.exceptions import ChannelError, DeliveryError, RecipientsRefusedError
from busway_notify.handler import NotificationHandler
from busway_notify.notification import Kind, Notification, Severity

__all__ = [
    "Channel",
    "ChannelError",
    "DeliveryError",
    "Kind",
    "Notification",
    "NotificationHandler",
    "RecipientsRefusedError",
    "Severity",
]
