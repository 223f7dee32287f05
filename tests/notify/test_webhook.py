"""The channels `https://` and `slack+https://` against a real endpoint, and what they refuse."""

import json
import logging
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway import Event
from busway_notify import NotificationHandler
from busway_notify._public import is_public
from busway_notify.webhook import _retry_after

PATH = "/services/T0/B0/canary-hook"


def critical(message="gone"):
    return Event("error.occurred", {"severity": "critical", "message": message}, source="a")


@pytest.fixture
def posting(endpoint):
    """`posting(**settings)`: a handler that posts to the endpoint."""

    def make(scheme="http", **settings):
        channels = [f"{scheme}://127.0.0.1:{endpoint.port}{PATH}"]
        wanted = {"channels": channels, "allow_private": True, "timeout": 5.0}
        return NotificationHandler(**(wanted | settings))

    return make


async def post(handler, event=None):
    await handler.handle(event or critical())
    await handler.stop()
    health = handler.health()
    return health["delivered"], health["dead_letters"]


async def test_all_that_is_known_is_posted(posting, endpoint):
    """As JSON, with the idempotency key as a header, too."""
    event = critical()
    assert await post(posting(), event) == (1, 0)
    [request] = endpoint.requests
    told = request.json
    key = told.pop("idempotency_key")
    assert told == {
        "kind": "critical_error",
        "severity": "critical",
        "key": "a",
        "recipient": "administrators",
        "subject": "Critical error in a: gone",
        "body": f"Critical error in a: gone\nTime: {event.timestamp.isoformat()}\n",
        "event_id": event.id,
        "timestamp": event.timestamp.isoformat(),
    }
    assert (len(key), request.headers["Idempotency-Key"]) == (32, key)
    assert request.headers["Host"] == f"127.0.0.1:{endpoint.port}"
    assert (request.path, request.headers["Content-Type"]) == (PATH, "application/json")


async def test_slack_gets_text_in_which_nothing_is_a_link_or_a_mention(posting, endpoint):
    """`<`, `>` and `&` are escaped, which is all that Slack's own syntax is made of."""
    handler = posting("slack+http")
    assert await post(handler, critical("<!channel> <http://evil|click> &")) == (1, 0)
    told = endpoint.requests[0].json
    assert "&lt;!channel&gt; &lt;http://evil|click&gt; &amp;" in told["text"]
    assert not set("<>") & set(told["text"])
    assert (told["unfurl_links"], told["unfurl_media"]) == (False, False)


@pytest.mark.parametrize("code", [500, 502, 503, 504, 408, 425, 429])
async def test_what_may_pass_is_tried_again(posting, endpoint, code):
    """And with the same idempotency key."""
    endpoint.answers = [(code, {})]
    assert await post(posting()) == (1, 0)
    first, second = (one.headers["Idempotency-Key"] for one in endpoint.requests)
    assert first == second


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 413, 422])
async def test_what_will_not_pass_is_not_tried_again(posting, endpoint, code):
    """It is a dead letter at once."""
    endpoint.answers = [(code, {})]
    assert await post(posting()) == (0, 1)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(posting, endpoint, tmp_path, code):
    """Wherever it leads; the dead letter says so."""
    endpoint.answers = [(code, {"Location": f"http://127.0.0.1:{endpoint.port}/elsewhere"})]
    path = tmp_path / "dead.jsonl"
    assert await post(posting(dead_letters=str(path))) == (0, 1)
    assert [one.path for one in endpoint.requests] == [PATH]
    assert "a redirect, which is not followed" in json.loads(path.read_text())["reason"]


async def test_retry_after_is_honoured(posting, endpoint):
    """A server that asks for two seconds gets them, not the half second of our own."""
    endpoint.answers = [(429, {"Retry-After": "2"})]
    assert await post(posting()) == (1, 0)
    first, second = endpoint.requests
    assert 1.9 < second.at - first.at < 4


async def test_a_long_retry_after_does_not_hold_up_stop(posting, endpoint):
    """What it asks for is more than there is: given up after `stop_timeout`."""
    endpoint.answers = [(503, {"Retry-After": "86400"})]
    begun = time.monotonic()
    assert await post(posting(stop_timeout=1.0)) == (0, 1)
    assert time.monotonic() - begun < 5


def test_retry_after_may_be_a_date():
    """Or nonsense, which is none."""
    assert 80 < _retry_after(formatdate(time.time() + 90, usegmt=True)) < 91
    assert _retry_after("120") == 120
    assert [_retry_after(one) for one in ("", "soon", "-1", "9" * 30)] == [None] * 4


@given(st.text())
def test_no_retry_after_breaks_it(value):
    """Whatever a server says."""
    assert _retry_after(value) is None or isinstance(_retry_after(value), float)


async def test_a_dropped_connection_is_tried_again(posting, endpoint):
    """With the same key, since the server may have seen it."""
    endpoint.answers = [endpoint.drop]
    assert await post(posting()) == (1, 0)
    assert len({one.headers["Idempotency-Key"] for one in endpoint.requests}) == 1


async def test_an_endpoint_that_does_not_answer_costs_a_timeout(posting, endpoint):
    """And then is tried again."""
    endpoint.answers = [endpoint.hang]
    assert await post(posting(timeout=0.5)) == (1, 0)


async def test_an_endless_answer_is_not_read(posting, endpoint):
    """Its status is all that matters."""

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        handler.wfile.write(b"x" * 1000)
        endpoint.released.wait(20)

    endpoint.answers = [endless]
    assert await post(posting(timeout=5.0)) == (1, 0)


async def test_the_path_of_a_webhook_is_nowhere(posting, endpoint, caplog, tmp_path):
    """It is Slack's password: no log, no letter and no health shows it, whatever happens."""
    caplog.set_level(logging.DEBUG)
    assert await post(posting()) == (1, 0)
    endpoint.stop()
    path = tmp_path / "dead.jsonl"
    handler = posting(stop_timeout=0.5, dead_letters=str(path))
    assert await post(handler) == (0, 1)
    told = caplog.text + path.read_text() + repr(handler.health()) + repr(vars(handler))
    assert "canary-hook" not in told
    assert f"http://127.0.0.1:{endpoint.port}" in path.read_text()


async def test_the_certificate_is_checked(tls_endpoint, ca_file):
    """Ours is unknown without `ca_file`, and known with it."""
    channels = [f"https://localhost:{tls_endpoint.port}/hook"]
    settings = {"channels": channels, "allow_private": True, "stop_timeout": 0.7}
    assert await post(NotificationHandler(**settings)) == (0, 1)
    assert tls_endpoint.requests == []
    assert await post(NotificationHandler(**settings, ca_file=ca_file)) == (1, 0)


async def test_the_certificate_is_that_of_the_name(tls_endpoint, ca_file, monkeypatch):
    """Though the connection is to an address: SNI, Host and the check are the name's."""
    _resolve(monkeypatch, {"hooks.example.org": ["127.0.0.1"], "other.example.org": ["127.0.0.1"]})
    for name, expected in (("hooks", (1, 0)), ("other", (0, 1))):
        handler = NotificationHandler(
            channels=[f"https://ada:sesame@{name}.example.org:{tls_endpoint.port}/hook"],
            allow_private=True,
            ca_file=ca_file,
            stop_timeout=0.7,
        )
        assert await post(handler) == expected
    [request] = tls_endpoint.requests
    assert request.headers["Host"] == f"hooks.example.org:{tls_endpoint.port}"
    assert request.headers["Authorization"] == "Basic YWRhOnNlc2FtZQ=="


def _resolve(monkeypatch, names):
    """Have the operating system's resolver know these names."""
    import socket

    known = socket.getaddrinfo

    def getaddrinfo(host, port, *rest, **options):
        addresses = names.get(host.decode() if isinstance(host, bytes) else host)
        if addresses is None:
            return known(host, port, *rest, **options)
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return known(address, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"]
)
async def test_a_name_that_stands_for_a_private_address_is_refused(address, monkeypatch, tmp_path):
    """When it is sent, since names change; it is final, and says which setting would allow it."""
    _resolve(monkeypatch, {"hooks.example.org": [address]})
    path = tmp_path / "dead.jsonl"
    handler = NotificationHandler(
        channels=["https://hooks.example.org/x"], dead_letters=str(path), stop_timeout=5
    )
    assert await post(handler) == (0, 1)
    letter = json.loads(path.read_text())
    assert "hooks.example.org is at a private address" in letter["reason"]
    assert letter["tries"] == 1


async def test_what_was_checked_is_what_is_connected_to(tls_endpoint, ca_file, monkeypatch):
    """A name that is public when it is looked up, and private a moment later, reaches nobody."""
    _resolve(monkeypatch, {"hooks.example.org": ["192.0.32.8", "127.0.0.1"]})
    handler = NotificationHandler(
        channels=[f"https://hooks.example.org:{tls_endpoint.port}/x"],
        ca_file=ca_file,
        timeout=1.0,
        stop_timeout=2.5,
    )
    assert await post(handler) == (0, 1)
    assert tls_endpoint.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1",
        "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
        "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "64:ff9b::10.0.0.1",
        "64:ff9b:1::1", "2002:a00:1::", "2001:db8::1", "fc00::1", "fe80::1", "fe80::1%eth0",
        "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_a_private_address_is_not_public(address):
    """In any of its disguises."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::", "2606:4700::1"]
)
def test_a_public_address_is_public(address):
    """In any of its forms."""
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "culprit"),
    [
        ("http://example.org/canary", "without TLS"),
        ("slack+http://example.org/canary", "without TLS"),
        ("http://127.0.0.1/canary", "without TLS"),
        ("https://10.0.0.1/canary", "10.0.0.1 is a private address"),
        ("https://[::ffff:7f00:1]/canary", "is a private address"),
        ("https:///canary", "a host is expected"),
        ("https://example.org:canary/", "a host is expected"),
        ("https://example.org/can ary", "a host is expected"),
        ("https:example.org/canary", "a host is expected"),
    ],
)
def test_a_url_that_is_refused(url, culprit):
    """When the handler is built; its path, which may be a password, is not in the error."""
    with pytest.raises(ValueError, match=culprit) as caught:
        NotificationHandler(channels=[url])
    assert "canary" not in str(caught.value)


def test_only_allowed_hosts_may_be_named():
    """The error names the host that is not."""
    settings = {"channels": ["https://hooks.example.org/x"]}
    assert NotificationHandler(**settings, allow_hosts=["HOOKS.example.org"])
    with pytest.raises(ValueError, match=r"'hooks\.example\.org' is not among allow_hosts"):
        NotificationHandler(**settings, allow_hosts=["example.org"])
