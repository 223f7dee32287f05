"""The brute-force rule: its window, its cooldown, its keys and its memory."""

import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway.events import Event
from busway_notify.brute_force import BruteForceRule

START = datetime(2005, 6, 14, 15, 16, 1, tzinfo=UTC)


def failure(second, address="203.0.113.9", **payload):
    """A failed login, some seconds after the start."""
    at = START + timedelta(seconds=second)
    return Event("user.login_failed", {"ip_address": address, **payload}, at)


def alerts(rule, seconds, **payload):
    """At which of these seconds a failure makes the rule alert."""
    return [s for s in seconds if rule.consider(failure(s, **payload)) is not None]


def test_the_threshold_th_failure_alerts():
    """Four failures are none, the fifth is an attack."""
    assert alerts(BruteForceRule(), [0, 1, 2, 3, 4]) == [4]


@pytest.mark.parametrize(("last", "expected"), [(600, [600]), (600.000001, [])])
def test_both_ends_belong_to_the_window(last, expected):
    """Five failures within exactly 600 s are within 600 s; a microsecond more is not."""
    assert alerts(BruteForceRule(), [0, 1, 2, 3, last]) == expected


def test_the_window_slides():
    """Failures on both sides of a multiple of the window count together."""
    assert alerts(BruteForceRule(), [598, 599, 600, 601, 602]) == [602]


def test_time_is_that_of_the_events():
    """Failures that are read in one instant, but are hours apart, are no attack."""
    assert alerts(BruteForceRule(), range(0, 36_000, 3600)) == []


@pytest.mark.parametrize(("again", "expected"), [(603, [4]), (604, [4, 604])])
def test_cooldown_holds_alerts_back_until_it_has_passed(again, expected):
    """600 s after the alert at second 4, the next is due; before, it is not."""
    assert alerts(BruteForceRule(), [0, 1, 2, 3, 4, 600, 601, 602, again]) == expected


def test_an_alert_forgets_no_failure():
    """The failures that made one alert count for the next, after the cooldown."""
    rule = BruteForceRule(cooldown=10)
    assert alerts(rule, [0, 1, 2, 3, 4, 14]) == [4, 14]


def test_the_next_alert_tells_how_many_were_not_sent():
    """Three failures in the cooldown are told by the alert after it, and by that one alone."""
    rule = BruteForceRule(cooldown=10)
    bodies = [
        draft.notification.body
        for second in [0, 1, 2, 3, 4, 5, 6, 7, 20, 40]
        if (draft := rule.consider(failure(second)))
    ]
    assert ["not sent since the last one: 3" in body for body in bodies] == [False, True, False]
    assert "not sent" not in bodies[2]
    assert rule.health()["suppressed_brute_force"] == 3


def test_an_alert_says_whom_it_is_about():
    """Key, subject and body name the address; the event's id and time are the event's."""
    rule = BruteForceRule(threshold=1)
    event = failure(0)
    notification = rule.consider(event).notification
    assert notification.kind == "brute_force"
    assert notification.key == "203.0.113.9"
    assert notification.recipient == "administrators"
    assert notification.subject == "Repeated failed logins: address 203.0.113.9"
    assert "1 or more failed logins within 600 s: address 203.0.113.9" in notification.body
    assert (notification.event_id, notification.timestamp) == (event.id, event.timestamp)


def test_addresses_are_counted_apart():
    """Four failures each of two addresses are no attack."""
    rule = BruteForceRule()
    assert alerts(rule, range(4), address="a") == []
    assert alerts(rule, range(4), address="b") == []


@pytest.mark.parametrize("address", [None, "", "  ", b"", "\x00"])
def test_without_an_address_the_user_counts(address):
    """No address, or a blank one: the failures of the user are counted together."""
    rule = BruteForceRule(threshold=2)
    rule.consider(failure(0, address, user_id="root"))
    draft = rule.consider(failure(1, address, user_id="root"))
    assert draft.notification.key == "root"
    assert "user root" in draft.notification.subject


def test_a_user_named_like_an_address_is_another_key():
    """An attacker cannot make a failure count for an address by naming a user like it."""
    rule = BruteForceRule(threshold=2)
    rule.consider(failure(0, "10.0.0.1"))
    assert rule.consider(failure(1, None, user_id="10.0.0.1")) is None
    assert rule.health()["tracked_keys"] == 2


def test_user_zero_is_a_user():
    """A user id of 0 is not a missing one."""
    rule = BruteForceRule(threshold=1)
    assert rule.consider(failure(0, None, user_id=0)).notification.key == "0"


def test_without_address_and_user_it_is_skipped(caplog):
    """The failure is counted as skipped and logged by its id, without its payload."""
    rule = BruteForceRule(threshold=1)
    event = Event("user.login_failed", {"password": "hunter2"})
    assert rule.consider(event) is None
    assert rule.health()["skipped_brute_force"] == 1
    assert event.id in caplog.text
    assert "hunter2" not in caplog.text


class Unspeakable:
    """A value whose text cannot be had."""

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("address", "key"),
    [
        (["10.0.0.1"], "['10.0.0.1']"),
        (b"10.0.0.1\xff", "10.0.0.1\\xff"),
        (7, "7"),
        ({"a": None}, "{'a': None}"),
        pytest.param(10**5000, "<int>", id="too long an int"),
        (Unspeakable(), "<Unspeakable>"),
        ("\ud800x", "x"),
    ],
)
def test_odd_addresses_are_counted_by_their_text(address, key):
    """What is no str is a key, too, and never an error."""
    rule = BruteForceRule(threshold=2)
    rule.consider(failure(0, address))
    assert rule.consider(failure(1, address)).notification.key == key


def test_an_address_cannot_add_lines():
    """Line breaks and control characters of an address are spaces in subject, key and body."""
    rule = BruteForceRule(threshold=1)
    evil = "1.2.3.4\r\nBcc: all@example.org\x1b[2J\u2028x"
    notification = rule.consider(failure(0, evil)).notification
    assert notification.key == "1.2.3.4 Bcc: all@example.org [2J x"
    assert notification.subject.isprintable()
    assert len(notification.body.splitlines()) == 2


def test_a_long_address_is_cut():
    """A megabyte of address makes a key of 128 characters, and a subject of at most 200."""
    rule = BruteForceRule(threshold=1)
    notification = rule.consider(failure(0, "9" * 1_000_000)).notification
    assert notification.key == "9" * 127 + "…"
    assert len(notification.subject) <= 200


def test_long_addresses_are_not_confused():
    """Two addresses that look alike where they are cut are still two keys."""
    rule = BruteForceRule(threshold=2)
    rule.consider(failure(0, "9" * 1000 + "a"))
    assert rule.consider(failure(1, "9" * 1000 + "b")) is None


def test_failures_that_arrive_late_count():
    """The order of arrival does not matter: five failures within the window alert."""
    assert alerts(BruteForceRule(), [400, 100, 300, 0, 200]) == [200]


def test_a_late_failure_beside_a_full_window_does_not_alert():
    """Five failures close together, but none of them near the new one, are no reason for it."""
    rule = BruteForceRule(cooldown=0)
    alerts(rule, [10_000, 10_001, 10_002, 10_003, 10_004])
    assert rule.consider(failure(0)) is None


def test_a_clock_far_in_the_future_disables_nothing():
    """One event from the year 9000 neither hides an attack nor silences its alert."""
    rule = BruteForceRule()
    far = 7000 * 365 * 86_400
    assert alerts(rule, [far, 0, 1, 2, 3, 4]) == [4]
    rule = BruteForceRule(threshold=1)
    assert alerts(rule, [far, 0]) == [far, 0]


def test_a_failure_that_is_delivered_again_is_one_failure():
    """An event that a retry delivers five times is no attack."""
    rule = BruteForceRule()
    event = failure(0)
    assert [rule.consider(event) for _ in range(5)] == [None] * 5


def test_an_alert_that_reached_nobody_is_tried_again():
    """After `take_back` the next failure alerts, and tells of the one that was not sent."""
    rule = BruteForceRule()
    alerts(rule, [0, 1, 2, 3])
    rule.consider(failure(4)).take_back()
    draft = rule.consider(failure(5))
    assert "not sent since the last one: 1" in draft.notification.body


def test_an_alert_that_reached_nobody_loses_no_count():
    """What it would have told, the next one tells, and one more for itself."""
    rule = BruteForceRule(threshold=1, cooldown=10)
    alerts(rule, [0, 1, 2])
    rule.consider(failure(10)).take_back()
    draft = rule.consider(failure(11))
    assert "not sent since the last one: 3" in draft.notification.body


def test_what_is_taken_back_does_not_undo_a_later_alert():
    """While one alert fails slowly, another was sent: its cooldown stands."""
    rule = BruteForceRule(threshold=1)
    slow = rule.consider(failure(0))
    assert rule.consider(failure(700)) is not None
    slow.take_back()
    assert rule.consider(failure(701)) is None


def test_taking_back_restores_the_cooldown_before():
    """The alert before the failed one still holds back what is close to it."""
    rule = BruteForceRule(threshold=1)
    rule.consider(failure(0))
    rule.consider(failure(700)).take_back()
    assert rule.consider(failure(599)) is None
    assert rule.consider(failure(701)) is not None


def test_the_least_recently_seen_key_is_given_up():
    """With room for two, a third key costs the one not seen longest, and that is counted."""
    rule = BruteForceRule(threshold=2, max_keys=2)
    for second, address in enumerate(["a", "b", "a", "c"]):
        rule.consider(failure(second, address))
    assert rule.consider(failure(4, "b")) is None  # forgotten; and now "a" is
    assert rule.health()["tracked_keys"] == 2
    assert rule.health()["evicted_keys"] == 2
    assert rule.consider(failure(5, "c")) is not None


def test_long_keys_cost_no_memory():
    """A thousand addresses of 100 kB each are remembered in less than 2 kB each."""
    rule = BruteForceRule()
    rule.consider(failure(0))
    tracemalloc.start()
    try:
        for number in range(1000):
            rule.consider(failure(number, f"{number:0100000}"))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rule.health()["tracked_keys"] == 1001
    assert used < 2_000_000


def test_many_failures_of_one_key_cost_no_memory():
    """2,000 failures of one address are remembered in less than 10 kB."""
    rule = BruteForceRule()
    tracemalloc.start()
    try:
        for number in range(2000):
            rule.consider(failure(number))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 10_000


@given(
    addresses=st.lists(st.text(max_size=5) | st.integers() | st.none(), max_size=60),
    max_keys=st.integers(1, 8),
)
def test_never_more_than_max_keys_are_tracked(addresses, max_keys):
    """Whatever keys come, the bound holds, and the keys tracked and given up add up."""
    rule = BruteForceRule(max_keys=max_keys)
    new = 0
    for second, address in enumerate(addresses):
        before = rule.health()
        rule.consider(failure(second, address))
        after = rule.health()
        assert after["tracked_keys"] <= max_keys
        new += after["tracked_keys"] + after["evicted_keys"]
        new -= before["tracked_keys"] + before["evicted_keys"]
    assert new == rule.health()["tracked_keys"] + rule.health()["evicted_keys"]


def oracle(failures, threshold, window, cooldown):
    """The definition, word for word: which failures alert, and how many are held back."""
    seen, last, sent, held = {}, {}, [], 0
    for number, (second, key) in enumerate(failures):
        times = seen.setdefault(key, [])
        times.append(second)
        if sum(second - window <= each <= second for each in times) < threshold:
            continue
        if key in last and second - last[key] < cooldown:
            held += 1
            continue
        last[key] = second
        sent.append(number)
    return sent, held


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([0, 1, 9, 10, 11, 25]), st.sampled_from("ab")), max_size=80
    ),
    threshold=st.integers(1, 5),
    window=st.sampled_from([1, 10, 30]),
    cooldown=st.sampled_from([0, 1, 10, 40]),
)
def test_in_order_it_is_the_definition(steps, threshold, window, cooldown):
    """Events that arrive in order alert exactly where the definition, counted out, says so."""
    second, failures = 0, []
    for step, key in steps:
        second += step
        failures.append((second, key))
    rule = BruteForceRule(threshold=threshold, window=window, cooldown=cooldown)
    sent = [
        number
        for number, (second, key) in enumerate(failures)
        if rule.consider(failure(second, key)) is not None
    ]
    expected, held = oracle(failures, threshold, window, cooldown)
    assert sent == expected
    assert rule.health()["suppressed_brute_force"] == held


@given(data=st.data(), threshold=st.integers(1, 5))
def test_in_any_order_a_full_window_alerts(data, threshold):
    """Of up to 2 x threshold arrivals, one alerts iff a window around it holds `threshold`."""
    seconds = data.draw(st.lists(st.integers(0, 60), max_size=2 * threshold))
    rule = BruteForceRule(threshold=threshold, window=10, cooldown=0)
    for count, second in enumerate(seconds, 1):
        seen = seconds[:count]
        full = any(
            sum(start <= each <= start + 10 for each in seen) >= threshold
            for start in range(second - 10, second + 1)
        )
        assert (rule.consider(failure(second)) is not None) == full
