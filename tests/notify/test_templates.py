"""Templates: what a user can say instead, and what no value can do in them."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway_notify import Kind, Notification, NotificationHandler, Severity
from busway_notify._mail import build_mail
from busway_notify._templates import Templates

AT = datetime(2005, 6, 14, tzinfo=UTC)


def notification(kind=Kind.CRITICAL_ERROR, **said):
    says = {
        "key": "a",
        "recipient": "ops@example.org",
        "subject": "It broke",
        "body": "It broke\nat noon\n",
        "event_id": "id-1",
        "sender": "Busway <busway@example.org>",
        "severity": Severity.CRITICAL,
        "idempotency_key": "0" * 32,
    }
    return Notification(kind, timestamp=AT, **(says | said))


def test_a_user_s_templates_are_filled_in(tmp_path):
    """Subject, text and HTML of one kind; other kinds keep ours."""
    (tmp_path / "critical_error.subject.txt").write_text("[$severity] $subject\n")
    (tmp_path / "critical_error.txt").write_text("$key at $timestamp, $$5: $body")
    (tmp_path / "critical_error.html").write_text("<p title='$key'>$body</p>")
    templates = Templates(str(tmp_path))
    rendered = templates.render(notification(key="<'a'>"))
    assert rendered.subject == "[critical] It broke"
    assert rendered.text == "<'a'> at 2005-06-14T00:00:00+00:00, $5: It broke\nat noon\n"
    assert rendered.html == "<p title='&lt;&#x27;a&#x27;&gt;'>It broke\nat noon\n</p>"
    assert templates.render(notification(Kind.WELCOME)).subject == "It broke"


def test_default_stands_for_all_kinds_that_have_none(tmp_path):
    """A kind's own goes before it."""
    (tmp_path / "default.txt").write_text("all")
    (tmp_path / "welcome.txt").write_text("hello")
    templates = Templates(str(tmp_path))
    assert templates.render(notification()).text == "all"
    assert templates.render(notification(Kind.WELCOME)).text == "hello"


@pytest.mark.parametrize(
    ("name", "text", "culprit"),
    [
        ("welcome.txt", "$key $pasword", r"welcome\.txt: \$pasword is unknown; .*\$key"),
        ("welcome.html", "${body.__class__}", r"welcome\.html: a \$ that is meant as one"),
        ("welcome.html", "5 $", r"welcome\.html: a \$ that is meant as one"),
        ("wellcome.txt", "", r"wellcome\.txt is no template; there are .*welcome\.txt"),
    ],
)
def test_a_template_that_is_wrong_is_named(tmp_path, name, text, culprit):
    """When the handler is built: file and name."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=culprit):
        NotificationHandler(templates=str(tmp_path))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """And one with a file that is no text."""
    with pytest.raises(ValueError, match=r"^templates: .*nowhere"):
        NotificationHandler(templates=str(tmp_path / "nowhere"))
    (tmp_path / "default.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"^templates: "):
        NotificationHandler(templates=str(tmp_path))


NASTY = st.text() | st.from_regex(r"[\s\S]*(\r\n|\n|\r)(Bcc|To|Subject): x@example\.net[\s\S]*")


@given(subject=NASTY, body=NASTY, key=NASTY, event_id=NASTY)
def test_no_value_adds_a_header_or_a_tag(subject, body, key, event_id):
    """Whatever a notification says: one recipient, ours headers alone, and no HTML of its own."""
    mail = build_mail(
        notification(subject=subject, body=body, key=key, event_id=event_id), Templates()
    )
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert read.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
        "X-Auto-Response-Suppress", "Importance", "MIME-Version", "Content-Type",
    ]  # fmt: skip
    assert read["To"] == "ops@example.org"
    assert read["Message-ID"] == f"<{'0' * 32}@example.org>"
    html = read.get_body(("html",)).get_content()
    ours = Templates().render(notification(subject="", body="")).html
    assert html.count("<") == ours.count("<")
    assert read.get_body(("plain",)).get_content_type() == "text/plain"


@pytest.mark.parametrize("recipient", ["ops@example.org\r\nBcc: x@example.net", "a\nb@c.d"])
def test_a_recipient_with_a_line_break_makes_no_mail(recipient):
    """It cannot come from our rules; a channel that is called by others refuses it, too."""
    with pytest.raises(ValueError, match=r"linefeed|header|line break|newline|CR or LF|[Ii]nvalid"):
        build_mail(notification(recipient=recipient), Templates())


def test_a_domain_that_is_not_ascii_makes_a_message_id():
    """IDNA, as far as the standard library knows it."""
    mail = build_mail(notification(sender="busway@müller.example"), Templates())
    assert mail["Message-ID"].endswith("@xn--mller-kva.example>")
