"""The JSON that webhooks are posted: our own, and Slack's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from busway_notify.notification import Notification

__all__ = ["slack_json", "webhook_json"]


def webhook_json(notification: Notification) -> dict[str, str]:
    """All that a notification says."""
    return {
        "kind": notification.kind,
        "severity": notification.severity,
        "key": notification.key,
        "recipient": notification.recipient,
        "subject": notification.subject,
        "body": notification.body,
        "event_id": notification.event_id,
        "timestamp": notification.timestamp.isoformat(),
        "idempotency_key": notification.idempotency_key,
    }


def slack_json(notification: Notification) -> dict[str, str | bool]:
    """A message in Slack's mrkdwn, in which nothing calls anybody, or hides a link behind words.

    Source: docs.slack.dev, "Formatting message text": `&`, `<` and `>` are to be escaped, and
    then no mention, channel or named link can be written. Slack itself may link a bare URL.
    """
    text = f"{notification.subject}\n{notification.body}"
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": escaped, "unfurl_links": False, "unfurl_media": False}
