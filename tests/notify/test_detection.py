"""Detection beyond one address: networks, accounts, spraying, logins after failures, floods."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway import Event
from busway_notify import NotificationHandler

START = datetime(2005, 6, 14, tzinfo=UTC)
ALL = ["address", "account", "spraying", "login"]


def failure(second, address="203.0.113.9", user="root"):
    at = START + timedelta(seconds=second)
    return Event("user.login_failed", {"ip_address": address, "user_id": user}, at)


def login(second, address="203.0.113.9", user="root"):
    at = START + timedelta(seconds=second)
    return Event("user.login", {"ip_address": address, "user_id": user}, at)


@pytest.fixture
def detecting(recorder):
    """`detecting(events, **settings)`: kind, key and severity of what they make a handler send."""

    async def detect(events, **settings):
        handler = NotificationHandler(channels=[recorder], **settings)
        for event in events:
            await handler.handle(event)
        return [(str(one.kind), one.key, str(one.severity)) for one in recorder.sent]

    return detect


ATTACK = ("brute_force", "203.0.113.9", "warning")


async def test_an_ipv6_address_counts_for_its_network(detecting):
    """An attacker who has a /64 has no more tries than one with an address."""
    events = [failure(second, f"2001:db8:0:1:{second}::{second:x}") for second in range(5)]
    assert await detecting(events) == [("brute_force", "2001:db8:0:1::/64", "warning")]


async def test_another_network_is_another_key(detecting):
    """Four failures each of two /64s are no attack."""
    events = [failure(second, f"2001:db8:0:{second % 2}::1") for second in range(8)]
    assert await detecting(events) == []


@pytest.mark.parametrize("form", ["::ffff:203.0.113.9", "[::ffff:203.0.113.9]", "::FFFF:cb00:7109"])
async def test_an_ipv4_address_in_an_ipv6_one_is_the_same(detecting, form):
    """A server with one socket for both sees the mapped form."""
    events = [failure(second, form if second % 2 else "203.0.113.9") for second in range(5)]
    assert await detecting(events) == [ATTACK]


@pytest.mark.parametrize("address", ["fe80::1%eth0", "fe80::2%eth1", "[fe80::3]"])
async def test_a_zone_is_no_part_of_the_network(detecting, address):
    """Nor are brackets."""
    events = [failure(second, address) for second in range(5)]
    assert (await detecting(events))[0][1] == "fe80::/64"


async def test_an_account_is_tried_from_many_addresses(detecting):
    """Five addresses, one try each: nothing by address, an attack on the account."""
    events = [failure(second, f"203.0.113.{second}") for second in range(5)]
    assert await detecting(events) == []
    assert await detecting(events, detect=["address", "account"]) == [
        ("brute_force", "root", "warning")
    ]


async def test_by_address_and_by_account_are_two_alerts(detecting):
    """One attack, seen from both sides."""
    events = [failure(second) for second in range(5)]
    told = await detecting(events, detect=["address", "account"])
    assert told == [ATTACK, ("brute_force", "root", "warning")]


async def test_without_an_address_the_account_is_told_once(detecting):
    """Though both are wanted."""
    events = [failure(second, address="") for second in range(5)]
    told = await detecting(events, detect=["address", "account"])
    assert told == [("brute_force", "root", "warning")]


async def test_many_accounts_from_one_address_are_spraying(detecting):
    """Ten of them, each tried once; nine are not."""
    events = [failure(second, user=f"user{second}") for second in range(10)]
    settings = {"detect": ["spraying"]}
    assert await detecting(events[:9], **settings) == []
    assert await detecting(events, **settings) == [("password_spraying", "203.0.113.9", "warning")]


async def test_one_account_many_times_is_no_spraying(detecting):
    """Nor are many accounts of many addresses."""
    events = [failure(second) for second in range(50)]
    events += [failure(60 + n, f"203.0.113.{n}", f"user{n}") for n in range(50)]
    assert await detecting(events, detect=["spraying"]) == []


async def test_spraying_slides_and_cools_down(detecting):
    """Over event time, as all windows: ten accounts in 540 s, told every 1200 s."""
    events = [failure(60 * n, user=f"user{n}") for n in range(40)]
    told = await detecting(events, detect=["spraying"], cooldown=1200)
    assert told == [("password_spraying", "203.0.113.9", "warning")] * 2


async def test_slow_spraying_is_none(detecting):
    """Ten accounts in 810 s."""
    events = [failure(90 * n, user=f"user{n}") for n in range(40)]
    assert await detecting(events, detect=["spraying"]) == []


async def test_a_login_after_many_failures_is_critical(detecting):
    """By address, whatever account it was."""
    events = [*(failure(second) for second in range(5)), login(6, user="ada")]
    told = await detecting(events, detect=["address", "login"])
    assert told == [ATTACK, ("login_after_failures", "203.0.113.9", "critical")]


async def test_a_login_to_an_account_that_many_tried_is_critical(detecting):
    """From another address than those that failed."""
    events = [*(failure(n, f"203.0.113.{n}") for n in range(5)), login(6, "198.51.100.1")]
    told = await detecting(events, detect=["account", "login"])
    assert told[1:] == [("login_after_failures", "root", "critical")]


@pytest.mark.parametrize(
    "events",
    [
        [*(failure(second) for second in range(4)), login(5)],
        [*(failure(second) for second in range(5)), login(606)],
        [*(failure(second) for second in range(5)), login(6, "198.51.100.1")],
        [login(-1), *(failure(second) for second in range(5))],
    ],
    ids=["too few", "too late", "elsewhere", "before"],
)
async def test_another_login_is_not(detecting, events):
    """A person who mistypes, or comes back later, or was there before."""
    told = await detecting(events, detect=["address", "login"])
    assert [one for one in told if one[0] == "login_after_failures"] == []


async def test_a_login_is_told_once_for_its_cooldown(detecting):
    """A script that logs in again and again makes one alert."""
    events = [*(failure(second) for second in range(5)), *(login(n) for n in range(6, 60))]
    told = await detecting(events, detect=["address", "login"])
    assert len(told) == 2


def test_logins_are_heard_only_if_they_are_wanted():
    """The default hears what it always has."""
    assert "user.login" not in NotificationHandler().event_types
    assert "user.login" in NotificationHandler(detect=["address", "login"]).event_types


@pytest.mark.parametrize(
    ("detect", "culprit"),
    [("address", "a list"), (["adress"], "address, account"), (["login"], "add one of them")],
)
def test_what_cannot_be_detected_is_named(detect, culprit):
    """With what can."""
    with pytest.raises(ValueError, match=f"^detect: .*{culprit}"):
        NotificationHandler(detect=detect)


@given(seconds=st.permutations(range(10)))
async def test_lateness_within_the_tolerance_hides_nothing(seconds):
    """Any order of 2 x threshold failures within the window alerts, by whichever comes fifth."""
    sent = []

    class Keeper:
        name, addresses_people = "keeper:", False

        async def send(self, notification):
            sent.append(notification)

    handler = NotificationHandler(channels=[Keeper()])
    for second in seconds:
        await handler.handle(failure(second))
    assert len(sent) == 1


async def test_beyond_the_tolerance_a_late_attack_is_missed(detecting):
    """Four failures, ten of a later time, then the fifth: the four are forgotten. Not with five."""
    early, later = [failure(n) for n in range(4)], [failure(10_000 + 1000 * n) for n in range(10)]
    assert await detecting([*early, *later, failure(4)]) == []
    assert await detecting([*early, *later[:5], failure(4)]) == [ATTACK]


async def test_a_flood_is_told_at_once_and_when_it_is_over(recorder):
    """Failures that are no attack by address, but many; both counts are exact."""
    handler = NotificationHandler(channels=[recorder], flood_threshold=100)
    for number in range(250):
        await handler.handle(failure(number, f"203.0.{number}.1"))
    await handler.handle(failure(700, "203.0.113.1"))
    first, second = recorder.sent
    assert (first.kind, first.severity) == ("flood", "critical")
    assert "100 or more failed logins within 600 s" in first.body
    assert "250 failed logins within 600 s" in second.body
    assert "not known before: 250" in second.body


async def test_a_flood_that_is_not_over_is_told_at_stop(recorder):
    """With what there was so far."""
    handler = NotificationHandler(channels=[recorder], flood_threshold=100)
    for number in range(150):
        await handler.handle(failure(number % 60, f"203.0.{number}.1"))
    await handler.stop()
    assert [one.body.splitlines()[0] for one in recorder.sent] == [
        "100 or more failed logins within 600 s",
        "150 failed logins within 600 s",
    ]


@pytest.mark.parametrize("at", [datetime.min, datetime.max])
async def test_a_time_at_the_end_of_the_calendar_hides_nothing(detecting, at):
    """The zero time of some languages is the first second of year 1."""
    broken = failure(0).replace(timestamp=at.replace(tzinfo=UTC))
    odd = [broken, broken.replace(type="user.login")]
    events = [*odd, *odd, *[failure(second) for second in range(5)]]
    assert await detecting(events, detect=["address", "login"]) == [ATTACK]


async def test_late_failures_count_for_the_flood_that_they_missed(recorder):
    """Disorder of less than a window loses none."""
    handler = NotificationHandler(channels=[recorder], flood_threshold=10)
    for second in (300, 100, 400, 250, 600, 0, 850, 301, 302, 303, 304):
        await handler.handle(failure(second, f"203.0.113.{second}"))
    await handler.stop()
    assert "11 failed logins" in recorder.sent[-1].body


async def test_so_many_alerts_are_sent_and_the_rest_is_counted(recorder):
    """Three, one that says that there are more, and one that says how many."""
    handler = NotificationHandler(channels=[recorder], threshold=1, max_alerts=3)
    for number in range(50):
        await handler.handle(failure(number, f"203.0.113.{number}"))
    await handler.stop()
    kinds = [str(one.kind) for one in recorder.sent]
    assert kinds == ["brute_force"] * 3 + ["flood"] * 2
    assert "The first of them: 203.0.113.3" in recorder.sent[3].body
    assert "47 brute_force alerts withheld" in recorder.sent[4].body
    assert handler.health()["withheld_alerts"] == 47


async def test_clocks_that_are_apart_hide_no_flood_and_bring_no_mails(recorder):
    """Two machines, two hours apart, whose events come in turns: each has one period."""
    handler = NotificationHandler(
        channels=[recorder], threshold=1, max_alerts=3, flood_threshold=10, error_cooldown=0
    )
    for number in range(40):
        at = number - 7200 * (number % 2)
        await handler.handle(failure(at, f"203.0.113.{number}"))
    await handler.stop()
    kinds = Counter(one.kind for one in recorder.sent)
    assert kinds == {"brute_force": 2 * 3, "flood": 2 * 4}
    told = [one.body.splitlines()[0] for one in recorder.sent if one.key.endswith("in all")]
    assert told == ["20 failed logins within 600 s"] * 2 + ["17 brute_force alerts withheld"] * 2
    keys = [one.idempotency_key for one in recorder.sent]
    assert len(set(keys)) == len(keys)


async def test_another_period_has_alerts_of_its_own(recorder):
    """What was withheld in the one before is told first."""
    handler = NotificationHandler(channels=[recorder], threshold=1, max_alerts=1, alert_period=60)
    for second in (0, 1, 2, 60):
        await handler.handle(failure(second, f"203.0.113.{second}"))
    told = [(str(one.kind), one.key) for one in recorder.sent]
    assert told == [
        ("brute_force", "203.0.113.0"),
        ("flood", "brute_force alerts, begins"),
        ("flood", "brute_force alerts, in all"),
        ("brute_force", "203.0.113.60"),
    ]


async def test_a_flood_of_one_kind_withholds_no_other(recorder):
    """Critical errors get through."""
    handler = NotificationHandler(channels=[recorder], threshold=1, max_alerts=1)
    for number in range(5):
        await handler.handle(failure(number, f"203.0.113.{number}"))
    await handler.handle(Event("error.occurred", {"severity": "critical"}, START))
    assert recorder.sent[-1].kind == "critical_error"


@given(
    numbers=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 30)), max_size=60),
    most=st.integers(1, 5),
)
async def test_every_alert_is_sent_or_counted(numbers, most):
    """Whatever comes when: alerts sent and withheld add up, and the bound holds."""
    sent, unbounded = [], []

    class Keeper:
        name, addresses_people = "keeper:", False

        def __init__(self, kept):
            self.kept = kept

        async def send(self, notification):
            self.kept.append(notification)

    settings = {"threshold": 1, "cooldown": 10, "alert_period": 100}
    bounded = NotificationHandler(channels=[Keeper(sent)], max_alerts=most, **settings)
    free = NotificationHandler(channels=[Keeper(unbounded)], max_alerts=10**6, **settings)
    for second, who in numbers:
        for handler in (bounded, free):
            await handler.handle(failure(second, f"203.0.113.{who}"))
    await bounded.stop()
    alerts = [one for one in sent if one.kind == "brute_force"]
    summaries = [one for one in sent if one.key.endswith("in all")]
    withheld = sum(int(one.body.split()[0]) for one in summaries)
    assert len(alerts) + withheld == len(unbounded)
    assert withheld == bounded.health().get("withheld_alerts", 0)
