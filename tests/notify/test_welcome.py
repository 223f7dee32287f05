"""The welcome rule: who gets a mail, and who is skipped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway.events import Event
from busway_notify.notification import Addresses
from busway_notify.welcome import WelcomeRule


def created(**payload):
    return Event("user.created", payload)


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.org",
        "a.b+c@x-y.example.org",
        "root@localhost",
        "jörg@müller.example",
        "o'x@e.ie",
    ],
)
def test_a_new_user_is_welcomed(email):
    """One mail, to the address in the payload, from the sender."""
    rule = WelcomeRule(addresses=Addresses(("ops@example.org",), "noreply@example.org"))
    event = created(email=email, name="Ada")
    notification = rule.consider(event).notification
    assert notification.kind == "welcome"
    assert (notification.key, notification.recipient) == (email, email)
    assert notification.sender == "noreply@example.org"
    assert (notification.event_id, notification.timestamp) == (event.id, event.timestamp)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        *(
            {"email": email}
            for email in [
                None,
                "",
                7,
                ["ada@example.org"],
                b"ada@example.org",
                "ada",
                "@example.org",
                "ada@",
                "ada@@example.org",
                "ada@example..org",
                "ada@.example.org",
                " ada@example.org",
                "ada@example.org\n",
                "ada@example.org\r\nBcc: all@example.org",
                "ada@example.org,bob@example.org",
                "=?utf-8?q?bob=40example.org=2C?=@example.org",
                "ada@example.org;bob@example.org",
                "Ada <ada@example.org>",
                "ada@example.org\x00",
                "ada\u00a0@example.org",
                "ada\u202e@example.org",
                '"a b"@example.org',
                "\ud800@example.org",
                "a" * 250 + "@example.org",
            ]
        ),
    ],
)
def test_without_one_address_it_is_skipped(payload, caplog):
    """It is counted, and logged by the event's id, without the payload."""
    rule = WelcomeRule()
    event = created(**payload, name="Ada Lovelace")
    assert rule.consider(event) is None
    assert rule.health() == {"skipped_welcome": 1}
    [record] = caplog.records
    assert (record.name, record.levelname) == ("busway.notify", "WARNING")
    assert event.id in record.getMessage()
    assert "Lovelace" not in caplog.text
    assert "example" not in caplog.text


def test_an_id_cannot_add_lines_to_the_log(caplog):
    """An event's id comes from outside, too."""
    WelcomeRule().consider(Event("user.created", id="x\nCRITICAL all is lost"))
    assert "x CRITICAL all is lost" in caplog.records[0].getMessage()


def test_nothing_of_the_payload_is_in_the_mail():
    """Who signs up with a stranger's address writes no word of what the stranger reads."""
    payload = {"email": "ada@example.org", "name": "WIN", "user_id": "WIN"}
    notification = WelcomeRule().consider(created(**payload)).notification
    assert "WIN" not in notification.subject + notification.body


@given(email=st.text() | st.from_regex(r"[^@]+@[^@]+"))
def test_a_recipient_is_always_one_printable_word(email):
    """Whatever text is given as address, no header and no second address gets through."""
    draft = WelcomeRule().consider(created(email=email))
    if draft is not None:
        recipient = draft.notification.recipient
        assert recipient.isprintable()
        assert len(recipient.split()) == 1
        assert recipient.count("@") == 1
        assert not set(recipient) & set(",;<>")
