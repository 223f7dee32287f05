"""Settings: what is wrong is named, and what is secret is never shown."""

from __future__ import annotations

import sys
import traceback

import pytest

from busway import EventBus, PluginError, load_plugins
from busway.handlers import ANY
from busway_bridge import BridgeHandler, BrokerTransport
from busway_bridge._options import from_url

URL = "redis://user:s3cret@127.0.0.1:1/2"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"url": "ftp://host", "out": {"*": "s"}}, "url"),
        ({"url": URL}, "out, subjects"),
        ({"out": {"*": "s"}}, "url"),
        ({"subjects": ["s"]}, "url"),
        ({"url": URL, "out": {"*": ""}}, "out"),
        ({"url": URL, "out": {"*": "a b"}}, "out"),
        ({"url": URL, "subjects": ["a b"]}, "subjects"),
        ({"url": URL, "subjects": ["s"], "group": ""}, "group"),
        ({"url": URL, "subjects": ["s"], "concurrency": 0}, "concurrency"),
        ({"url": URL, "subjects": ["s"], "max_deliveries": -1}, "max_deliveries"),
        ({"url": URL, "subjects": ["s"], "dedupe_window": -1}, "dedupe_window"),
        ({"url": URL, "subjects": ["s"], "buffer": 0}, "buffer"),
        ({"url": URL, "subjects": ["s"], "ack_wait": 0}, "ack_wait"),
        ({"url": URL, "subjects": ["s"], "retry_delay": float("nan")}, "retry_delay"),
        ({"url": URL, "subjects": ["s"], "timeout": float("inf")}, "timeout"),
        ({"url": f"{URL}?concurrency=many", "subjects": ["s"]}, "concurrency"),
    ],
)
def test_a_wrong_setting_is_named(settings, named):
    """And no secret with it."""
    with pytest.raises(ValueError, match=named) as caught:
        BridgeHandler(**settings)
    assert "s3cret" not in str(caught.value)


def test_without_a_url_the_plugin_brings_nothing():
    """Installed, it has no effect."""
    bus = EventBus()
    report = load_plugins(bus, allow=["bridge"], strict=True)
    assert report["bridge"].state == "active"
    assert bus.handlers == ()


def test_a_url_may_be_a_secret(monkeypatch):
    """Out of the environment; reports show none of it."""
    monkeypatch.setenv("BROKER", URL)
    bus = EventBus()
    settings = {"bridge": {"url": {"env": "BROKER"}, "out": {"user.*": "users"}}}
    report = load_plugins(bus, allow=["bridge"], strict=True, settings=settings)
    assert len(bus.handlers) == 1
    assert "s3cret" not in repr(report["bridge"])
    assert "s3cret" not in repr(vars(bus.handlers[0]))


def test_a_wrong_type_is_refused_by_core():
    """As of every plugin."""
    with pytest.raises(PluginError, match="subjects"):
        load_plugins(
            EventBus(), allow=["bridge"], strict=True, settings={"bridge": {"subjects": "s"}}
        )


def test_a_pattern_stands_for_the_types_that_are_registered():
    """The bridge hears those, and no others."""
    handler = BridgeHandler(url=URL, out={"user.log*": "users", "item.created": "items"})
    assert sorted(handler.event_types) == [
        "item.created",
        "user.login",
        "user.login_failed",
        "user.logout",
    ]
    assert BridgeHandler(url=URL, out={"*": "all"}).event_types == [ANY]


def test_only_what_goes_out_is_durable():
    """The outbox has nothing to record of what comes in."""
    assert BridgeHandler(url=URL, out={"*": "all"}).durable
    assert not BridgeHandler(url=URL, subjects=["all"]).durable


def test_options_in_the_url_are_ours_and_the_rest_is_the_client_s():
    """Each gets what it knows."""
    options = from_url(f"{URL}?subject=a,b&subject=c&group=g&ack_wait=3&maxlen=9&health_check=1")
    assert options.subjects == ("a", "b", "c")
    assert (options.group, options.ack_wait, options.maxlen) == ("g", 3.0, 9)
    assert options.url == f"{URL}?health_check=1"
    assert options.via == "redis://127.0.0.1:1/2"
    assert "s3cret" not in repr(options)


def test_a_transport_is_named_without_secrets():
    """In reports."""
    assert BrokerTransport(URL).name == "redis://127.0.0.1:1/2"


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:pa/s3cret@host",
        "redis://u:1/s3cret@host",
        "redis://u:s3cret?@host",
        "redis://u:1?s3cret@host",
        "redis://u:s3cret#@host",
        "redis://u:s3cret[@host",
        "redis://host:s3cret",
        "nats://a:1,nats://u:s3cret@b:2",
    ],
)
def test_a_password_that_is_not_quoted_is_refused_and_not_shown(url):
    """It would be taken for something else, and be in logs."""
    with pytest.raises(ValueError, match=r"url: .* quote what is special") as caught:
        BridgeHandler(url=url, out={"*": "s"})
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("host", ["a", "a:1", "a:1,b:2", "[::1]:6", "u:p%2F%40@a:1"])
def test_a_host_may_be_many_things(host):
    """Of these, the password alone is not told."""
    assert from_url(f"kafka://{host}/1?subject=s").via == f"kafka://{host.split('@')[-1]}/1"


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/usr/bin/shop", "shop"),
        ("shop.py", "shop"),
        ("/src/shop/__main__.py", "shop"),
        ("__main__.py", "python"),
        ("", "python"),
    ],
)
def test_an_origin_is_the_program_on_this_host(monkeypatch, program, name):
    """Packages that are run by `python -m` differ: else one would not take in what another sent."""
    monkeypatch.setattr(sys, "argv", [program])
    assert from_url(URL).named().origin.partition("/")[2] == name
