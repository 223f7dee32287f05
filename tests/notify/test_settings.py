"""The settings: read at runtime, checked at construction, each error naming the setting."""

import typing

import pytest

from busway.events import Event
from busway_notify import Channel, NotificationHandler


class Post:
    """A channel that writes to people."""

    name = "post:"
    addresses_people = True

    def __init__(self):
        self.sent = []

    async def send(self, notification):
        self.sent.append(notification)


def test_the_annotations_can_be_read_at_runtime():
    """They are how `load_plugins` checks settings; live channels are among what they allow."""
    hints = typing.get_type_hints(NotificationHandler.__init__)
    assert hints["channels"] == list[str | Channel] | None
    assert (hints["threshold"], hints["window"]) == (int, float)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("threshold", value) for value in (0, -1, 1.5, True, "5", None, 10**30)),
        *(("max_keys", value) for value in (0, -1, 1.5, False, "5", 10**30)),
        *(
            (name, value)
            for name in ("window", "cooldown", "error_cooldown")
            for value in (-1, True, "600", None, float("nan"), float("inf"), 1e30)
        ),
        ("window", 0),
        ("window", 0.0),
    ],
)
def test_a_number_out_of_range_is_named(name, value):
    """The setting and the value are in the message."""
    with pytest.raises(ValueError, match=f"^{name}: .* not "):
        NotificationHandler(**{name: value})


@pytest.mark.parametrize("name", ["state", "dead_letters"])
@pytest.mark.parametrize("path", ["", " ", ".", "a\0b", "~nobody-of-that-name/file", 7])
def test_a_path_that_is_no_file_s_is_named(name, path, tmp_path, monkeypatch):
    """An empty one, of a variable that is not set, is the working directory: it stays."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(ValueError, match=f"^{name}: "):
        NotificationHandler(**{name: path})
    assert list(tmp_path.iterdir()) == [here]


@pytest.mark.parametrize(
    "settings", [{"threshold": 1}, {"max_keys": 1}, {"cooldown": 0}, {"error_cooldown": 0}]
)
def test_the_ends_of_the_ranges_are_allowed(settings):
    """A cooldown of 0 tells everything."""
    assert NotificationHandler(**settings).health()["sent_welcome"] == 0


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ({"admins": "ops@example.org"}, "admins: a list"),
        ({"admins": [7]}, "admins: 7"),
        ({"admins": ["a@b.org,c@d.org"]}, "admins: 'a@b.org,c@d.org'"),
        ({"admins": ["ops@example.org\nBcc: x@y.z"]}, "admins: "),
        ({"sender": "x\ny"}, "sender: one line"),
        ({"sender": None}, "sender: one line"),
    ],
)
def test_people_who_are_none_are_named(settings, culprit):
    """Whether a channel needs them or not, they must be what they are said to be."""
    with pytest.raises(ValueError, match=f"^{culprit}"):
        NotificationHandler(**settings)


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ({}, "admins: the channel 'post:'"),
        ({"admins": [], "sender": "noreply@example.org"}, "admins: the channel 'post:'"),
        ({"admins": ["ops@example.org"]}, "sender: the channel 'post:'"),
        ({"admins": ["ops"], "sender": "noreply@example.org"}, "admins: 'ops'"),
        ({"admins": ["ops@example.org"], "sender": "us"}, "sender: the channel 'post:'"),
        *(
            ({"admins": ["ops@example.org"], "sender": sender}, "sender: the channel 'post:'")
            for sender in ("@", "Ops, Busway <a@example.org>", "a@example.org, b@example.org")
        ),
    ],
)
def test_a_channel_that_writes_to_people_needs_them(settings, culprit):
    """Administrators and a sender, both with mail addresses; the error names the channel."""
    with pytest.raises(ValueError, match=f"^{culprit}"):
        NotificationHandler(channels=["log:", Post()], **settings)


def test_other_channels_do_not(recorder):
    """A log needs nobody's address."""
    assert NotificationHandler(channels=["log:", recorder])
    assert NotificationHandler(channels=[recorder], admins=["ops"])


@pytest.mark.parametrize(
    ("admins", "recipient"),
    [
        (None, "administrators"),
        ([], "administrators"),
        (["a@example.org", "b@example.org"], "a@example.org, b@example.org"),
    ],
)
async def test_alerts_are_for_the_administrators(recorder, admins, recipient):
    """Their addresses, or the word where none are set."""
    handler = NotificationHandler(channels=[recorder], admins=admins, sender="us@example.org")
    await handler.handle(Event("error.occurred", {"severity": "critical"}))
    assert recorder.sent[0].recipient == recipient
    assert recorder.sent[0].sender == "us@example.org"
