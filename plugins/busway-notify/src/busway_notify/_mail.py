"""A notification as a mail: plain text and HTML, and headers that no value can add to."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import TYPE_CHECKING
from uuid import uuid4

from busway_notify._text import MAX_SUBJECT, one_line
from busway_notify.notification import Severity

if TYPE_CHECKING:
    from busway_notify._templates import Templates
    from busway_notify.notification import Notification

__all__ = ["build_mail", "envelope_sender"]


def build_mail(  # type: ignore[explicit-any]  # of typeshed, in the parameters of EmailMessage
    notification: Notification, templates: Templates
) -> EmailMessage:
    """The mail; its `Message-ID` is the same however often it is built.

    Source: RFC 3834, section 5, for `Auto-Submitted`: so that nobody is answered by a machine.

    Raises:
        ValueError: if sender or recipients are none that a header can hold.
    """
    rendered = templates.render(notification)
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = notification.sender
    mail["To"] = notification.recipient
    mail["Subject"] = one_line(rendered.subject, MAX_SUBJECT)
    mail["Date"] = formatdate()
    mail["Message-ID"] = _message_id(notification)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if notification.severity is Severity.CRITICAL:
        mail["Importance"] = "high"
    mail.set_content(_encodable(rendered.text), cte="quoted-printable")
    mail.add_alternative(_encodable(rendered.html), subtype="html", cte="quoted-printable")
    return mail


def envelope_sender(sender: str) -> str:
    """The bare address, of `Busway <noreply@example.org>` too."""
    return parseaddr(sender)[1]


def _message_id(notification: Notification) -> str:
    domain = envelope_sender(notification.sender).rpartition("@")[2]
    if not domain.isascii():
        domain = domain.encode("idna").decode("ascii")
    return f"<{notification.idempotency_key or uuid4().hex}@{domain}>"


def _encodable(text: str) -> str:
    """Text without lone surrogates, which no charset has."""
    return text.encode("utf-8", "replace").decode("utf-8")
