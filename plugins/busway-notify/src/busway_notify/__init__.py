"""Busway's notifications: welcome mails, brute-force alerts, critical errors."""

from busway_notify.channels import Channel, ChannelError
from busway_notify.handler import NotificationHandler
from busway_notify.notification import Kind, Notification

__all__ = ["Channel", "ChannelError", "Kind", "Notification", "NotificationHandler"]
