"""Routing: who gets what, through which channels."""

import pytest

from busway import Event
from busway_notify import NotificationHandler


class Named:
    """A channel with a name, that keeps who got what."""

    addresses_people = False

    def __init__(self, name, addresses_people=False):
        self.name = name
        self.addresses_people = addresses_people
        self.sent = []

    async def send(self, notification):
        self.sent.append((str(notification.kind), notification.recipient))


EVENTS = (
    Event("user.created", {"email": "ada@example.org"}),
    Event("user.login_failed", {"ip_address": "203.0.113.9"}),
    Event("error.occurred", {"severity": "critical"}),
)


async def sent(routes, **settings):
    """What two channels, `mail:` and `log:`, are sent."""
    mail, log = Named("mail://one"), Named("log:")
    handler = NotificationHandler(
        channels=[mail, log], routes=routes, threshold=1, admins=["ops@example.org"], **settings
    )
    for event in EVENTS:
        await handler.handle(event)
    return mail.sent, log.sent, handler.health()


WELCOME = ("welcome", "ada@example.org")
ALERTS = [("brute_force", "ops@example.org"), ("critical_error", "ops@example.org")]


@pytest.mark.parametrize("routes", [None, []])
async def test_without_routes_all_goes_everywhere(routes):
    """To the administrators; a welcome to the new user."""
    assert (await sent(routes))[:2] == ([WELCOME, *ALERTS], [WELCOME, *ALERTS])


async def test_a_route_chooses_channels_by_kind():
    """What no route is for goes everywhere, as without routes."""
    mail, log, _ = await sent([{"kinds": ["welcome"], "channels": ["mail"]}])
    assert (mail, log) == ([WELCOME, *ALERTS], ALERTS)


async def test_a_route_chooses_recipients_by_severity():
    """A welcome is still for the new user."""
    routes = [
        {"severities": ["critical"], "to": ["cto@example.org"], "channels": ["log:"]},
        {"severities": ["warning", "info"], "to": ["soc@example.org"], "channels": ["mail://one"]},
    ]
    mail, log, _ = await sent(routes)
    assert mail == [WELCOME, ("brute_force", "soc@example.org")]
    assert log == [("critical_error", "cto@example.org")]


async def test_routes_that_fit_are_joined():
    """A channel that two routes name sends once, to all that they name."""
    routes = [
        {"kinds": ["critical_error"], "to": ["a@example.org", "b@example.org"]},
        {"severities": ["critical"], "to": ["b@example.org", "c@example.org"], "channels": ["log"]},
    ]
    mail, log, _ = await sent(routes)
    assert mail[-1] == ("critical_error", "a@example.org, b@example.org")
    assert log[-1] == ("critical_error", "a@example.org, b@example.org, c@example.org")


async def test_a_route_without_channels_sends_nothing():
    """It is counted."""
    mail, log, health = await sent([{"kinds": ["welcome"], "channels": []}])
    assert (mail, log) == (ALERTS, ALERTS)
    assert (health["routed_nowhere"], health["sent_welcome"]) == (1, 0)


@pytest.mark.parametrize(
    ("routes", "culprit"),
    [
        ({}, r"^routes: a list"),
        (["log:"], r"^routes\[0\]: a table"),
        ([{}, {"kind": ["welcome"]}], r"^routes\[1\]\.kind: unknown; there are kinds"),
        ([{"kinds": "welcome"}], r"^routes\[0\]\.kinds: a list"),
        ([{"kinds": [7]}], r"^routes\[0\]\.kinds: text"),
        ([{"kinds": ["wellcome"]}], r"^routes\[0\]\.kinds: 'wellcome' is unknown; .*welcome"),
        ([{"severities": ["bad"]}], r"^routes\[0\]\.severities: 'bad' is unknown; .*critical"),
        (
            [{"channels": ["sms"]}],
            r"^routes\[0\]\.channels: there is no 'sms', but 'mail:', 'log:'",
        ),
        ([{"to": ["ops"]}], r"^routes\[0\]\.to: 'ops' is not a mail address"),
        ([{"to": ["a@b.c\nBcc: d@e.f"], "channels": ["log"]}], r"^routes\[0\]\.to: "),
    ],
)
def test_a_route_that_is_wrong_is_named(routes, culprit):
    """By its place, its key, and what there is."""
    channels = [Named("mail:", addresses_people=True), Named("log:")]
    with pytest.raises(ValueError, match=culprit):
        NotificationHandler(channels=channels, routes=routes, admins=["a@b.c"], sender="a@b.c")


async def test_routes_come_from_a_file(tmp_path, monkeypatch, caplog):
    """As an array of tables in TOML."""
    from busway import EventBus, load_plugins

    monkeypatch.chdir(tmp_path)
    (tmp_path / "busway.toml").write_text(
        "[plugins.notify]\n"
        'channels = ["log:", "jsonl:sent.jsonl"]\n'
        "[[plugins.notify.routes]]\n"
        'kinds = ["welcome"]\nchannels = ["jsonl"]\n'
    )
    bus = EventBus()
    report = load_plugins(bus, allow=["notify"])
    assert str(report["notify"].state) == "active", report["notify"].reason
    await bus.publish(EVENTS[0])
    assert (tmp_path / "sent.jsonl").read_text().count("\n") == 1
    assert "welcome" not in caplog.text
