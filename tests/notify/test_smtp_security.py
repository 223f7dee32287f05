"""TLS, login and secrets: what a mail server is told, and what nobody else is."""

import asyncio
import json
import logging
from base64 import b64encode

import pytest

from busway import Event, EventBus, load_plugins
from busway_notify import NotificationHandler

CANARY = "canary-sesame"
MAIL = {"admins": ["ops@example.org"], "sender": "busway@example.org"}


def critical():
    return Event("error.occurred", {"severity": "critical", "message": "gone"}, source="a")


async def send(handler):
    await handler.handle(critical())
    await handler.stop()
    health = handler.health()
    return health["delivered"], health["dead_letters"]


def login(server, query="", host="localhost"):
    return f"smtp://busway:{CANARY}@{host}:{server.port}{query}"


@pytest.fixture
def secure(mail_servers, certificate):
    """A server that wants STARTTLS, and then a login."""
    options = {"tls_context": certificate, "require_starttls": True, "auth_required": True}
    return mail_servers(**options).start()


async def test_starttls_and_login(secure, ca_file):
    """The URL says whom to log in as; the certificate is checked."""
    channels = [login(secure, "?starttls=required")]
    handler = NotificationHandler(channels=channels, ca_file=ca_file, **MAIL)
    assert await send(handler) == (1, 0)
    assert secure.logins == ["busway"]


async def test_a_certificate_of_nobody_is_refused(secure, tmp_path):
    """At once, and without a login: it is a dead letter, and not tried again."""
    path = tmp_path / "dead.jsonl"
    channels = [login(secure, "?starttls=required")]
    handler = NotificationHandler(channels=channels, dead_letters=str(path), **MAIL)
    assert await send(handler) == (0, 1)
    assert secure.logins == []
    letter = json.loads(path.read_text())
    assert "ertificate" in letter["reason"]
    assert letter["tries"] == 1


async def test_smtps(mail_servers, certificate, ca_file):
    """TLS from the first byte."""
    server = mail_servers(ssl=certificate).start()
    handler = NotificationHandler(
        channels=[f"smtps://localhost:{server.port}"], ca_file=ca_file, **MAIL
    )
    assert await send(handler) == (1, 0)


async def test_a_server_without_tls_gets_no_password(mail_servers, tmp_path):
    """Where TLS is required; what it offers instead is not taken."""
    server = mail_servers(auth_required=True, auth_require_tls=False).start()
    path = tmp_path / "dead.jsonl"
    handler = NotificationHandler(
        channels=[login(server, "?starttls=required")], dead_letters=str(path), **MAIL
    )
    assert await send(handler) == (0, 1)
    assert server.logins == []
    assert "STARTTLS" in json.loads(path.read_text())["reason"]


async def test_never_means_never(mail_servers):
    """A login in the clear, to this machine, or where the URL says so."""
    server = mail_servers(auth_required=True, auth_require_tls=False).start()
    handler = NotificationHandler(channels=[login(server, "?starttls=never")], **MAIL)
    assert await send(handler) == (1, 0)


async def test_a_wrong_password_is_final(secure, ca_file, caplog):
    """It does not get better; the reason is the server's answer, without the password."""
    url = f"smtp://busway:wrong-{CANARY}@localhost:{secure.port}?starttls=required"
    handler = NotificationHandler(channels=[url], ca_file=ca_file, **MAIL)
    assert await send(handler) == (0, 1)
    assert secure.logins == ["busway"] * len(secure.logins)
    assert "535" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("url", "culprit"),
    [
        (f"smtp://a:{CANARY}@example.org?starttls=auto", "would send the password in the clear"),
        (f"smtp://a:{CANARY}@example.org?starttls=maybe", "what may follow"),
        (f"smtp://a:{CANARY}@example.org?tls=1", "what may follow"),
        (f"smtps://a:{CANARY}@example.org?starttls=never", "what may follow"),
        (f"smtp://a:{CANARY}@example.org/path", r"nothing but \?starttls="),
        (f"smtp://a:{CANARY}@:25", "a host is expected"),
        (f"smtp://a:{CANARY}@example.org:no", "a host is expected"),
        (f"smtp:{CANARY}", "a host is expected"),
    ],
)
def test_a_url_that_is_refused(url, culprit):
    """When the handler is built, without what may be a password in it."""
    with pytest.raises(ValueError, match=culprit) as caught:
        NotificationHandler(channels=[url], **MAIL)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "starttls"),
    [
        ("smtp://example.org", "auto"),
        ("smtp://a:b@example.org", "required"),
        ("smtp://a:b@localhost", "auto"),
        ("smtp://a:b@127.0.0.1", "auto"),
        ("smtp://a:b@example.org?starttls=never", "never"),
    ],
)
def test_a_password_is_protected_unless_it_says_otherwise(url, starttls):
    """To another machine, TLS is required."""
    assert NotificationHandler(channels=[url], **MAIL)._channels[0]._server.starttls == starttls


@pytest.mark.parametrize("method", [b"PLAIN", b"LOGIN"])
async def test_a_server_that_quotes_the_login_is_not_quoted(caplog, method):
    """Its refusal is told, without the password, however that was sent."""

    async def quote(reader, writer):
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            if line.startswith(b"EHLO"):
                writer.write(b"250-here\r\n250 AUTH " + method + b"\r\n")
            elif line.startswith(b"AUTH LOGIN"):
                writer.write(b"334 UGFzc3dvcmQ6\r\n")
            else:
                writer.write(b"535 wrong: " + line)
        writer.close()

    async with await asyncio.start_server(quote, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        handler = NotificationHandler(channels=[f"smtp://ada:{CANARY}@127.0.0.1:{port}"], **MAIL)
        assert await send(handler) == (0, 1)
    assert "535 wrong: " in caplog.text
    for sent in (CANARY, f"\0ada\0{CANARY}"):
        assert sent not in caplog.text
        assert b64encode(sent.encode()).decode() not in caplog.text


async def test_no_secret_is_told_anywhere(
    secure, mail_servers, ca_file, tmp_path, monkeypatch, caplog
):
    """Password from a file, through all that can go wrong: 0 canaries, at any level."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text(CANARY + "\n")
    dead = mail_servers()
    (tmp_path / "busway.toml").write_text(
        "[plugins.notify]\n"
        f'channels = ["smtp://localhost:{secure.port}?starttls=required", '
        f'"smtp://busway:{CANARY}@localhost:{dead.port}?starttls=never", '
        f'"https://u:{CANARY}@localhost:{dead.port}/{CANARY}"]\n'
        'username = "busway"\npassword = {file = "password"}\n'
        f'ca_file = "{ca_file}"\nallow_private = true\nstop_timeout = 1\n'
        'admins = ["ops@example.org"]\nsender = "busway@example.org"\n'
        'dead_letters = "dead.jsonl"\n'
    )
    bus = EventBus()
    report = load_plugins(bus, allow=["notify"])
    [handler] = report["notify"].provided
    told = []
    async with bus:
        await bus.publish(critical())
        told += [repr(handler.health()), repr(report), repr(vars(handler)), repr(bus.health())]
    told += [repr(vars(one)) for one in (handler._post, handler._post._delivery)]
    told += [repr(one) for one in handler._channels]
    assert len(secure.mails) == 1
    text = "\n".join([*told, caplog.text, (tmp_path / "dead.jsonl").read_text()])
    assert handler.health()["dead_letters"] == 2
    assert CANARY not in text.replace(str(tmp_path / "busway.toml"), "")
