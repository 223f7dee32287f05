"""The channel `smtp://` against a real server: what a mail holds, and what becomes of refusals."""

import asyncio
import json
import threading

import pytest

from busway import Event
from busway_notify import NotificationHandler


def critical(message="gone", **payload):
    return Event(
        "error.occurred", {"severity": "critical", "message": message, **payload}, source="a"
    )


def letters(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_mail_holds_text_and_html(mail_server, mailing):
    """Both parts, from the sender, to the administrators, and marked as a machine's."""
    handler = mailing(mail_server, admins=["ops@example.org", "cto@example.org"])
    await handler.handle(critical("disk <b>full</b>"))
    await handler.stop()
    [mail] = mail_server.mails
    assert (mail.sender, mail.recipients) == (
        "busway@example.org",
        ["ops@example.org", "cto@example.org"],
    )
    message = mail.message
    assert message["From"] == "Busway <busway@example.org>"
    assert message["To"] == "ops@example.org, cto@example.org"
    assert message["Subject"] == "Critical error in a: disk <b>full</b>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Importance"] == "high"
    assert message["Date"].datetime is not None
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert text.splitlines()[0] == "Critical error in a: disk <b>full</b>"
    assert "disk &lt;b&gt;full&lt;/b&gt;" in html
    assert "<b>" not in html


async def test_the_message_id_is_that_of_rule_key_and_window(mail_servers, mailing):
    """Two handlers that read the same event send the same mail; another event's is another."""
    server = mail_servers().start()
    event = critical()
    for handled in (event, event, event.replace(timestamp=event.timestamp.replace(year=2001))):
        handler = mailing(server)
        await handler.handle(handled)
        await handler.stop()
    first, second, third = (mail.id for mail in server.mails)
    assert first == second != third
    assert first.endswith("@example.org>")


async def test_handle_does_not_wait_for_the_server(mail_servers, mailing):
    """A server that accepts and says nothing: `handle` returns, and the mail is on its way."""
    server = mail_servers()
    answering = threading.Event()

    async def silence(_):
        await asyncio.to_thread(answering.wait, 10)

    server.on_data = silence
    server.start()
    handler = mailing(server)
    await handler.handle(critical())
    assert handler.health()["queued"] == 1
    assert handler.health()["sent_critical_error"] == 0
    answering.set()
    await handler.stop()
    assert handler.health()["sent_critical_error"] == handler.health()["delivered"] == 1


def test_it_works_without_start_in_two_loops(mail_server, mailing):
    """`asyncio.run` twice, and no `stop` between: the thread outlives both loops."""
    handler = mailing(mail_server)
    asyncio.run(handler.handle(critical("one")))
    asyncio.run(handler.handle(critical("two")))
    mail_server.wait(2)
    asyncio.run(handler.stop())
    assert len(mail_server.mails) == 2


async def test_after_stop_it_begins_anew(mail_server, mailing):
    """A bus can be entered again."""
    handler = mailing(mail_server)
    for message in ("one", "two"):
        await handler.handle(critical(message))
        await handler.stop()
    assert len(mail_server.mails) == 2


async def test_stop_ends_the_thread(mail_server, mailing):
    """Nothing is left running."""
    handler = mailing(mail_server)
    await handler.handle(critical())
    [thread] = [one for one in threading.enumerate() if one.name == "busway-notify"]
    await handler.stop()
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_a_temporary_refusal_is_tried_again(mail_server, mailing):
    """4xx for one recipient: the other gets it at once, and once; the first at the second try."""
    answers = iter(["450 try later"])
    mail_server.on_rcpt = lambda who: next(answers, None) if who == "slow@example.org" else None
    handler = mailing(mail_server, admins=["ops@example.org", "slow@example.org"])
    await handler.handle(critical())
    await handler.stop()
    assert [mail.recipients for mail in mail_server.mails] == [
        ["ops@example.org"],
        ["slow@example.org"],
    ]
    assert len(mail_server.ids()) == 1
    assert (handler.health()["delivered"], handler.health()["dead_letters"]) == (1, 0)


async def test_a_final_refusal_is_a_failure_for_those_refused(mail_server, mailing, tmp_path):
    """5xx for one recipient: it is a dead letter, the other gets the mail, and neither twice."""
    mail_server.on_rcpt = lambda who: "550 unknown" if who.startswith("gone") else None
    path = tmp_path / "dead.jsonl"
    admins = ["gone@example.org", "ops@example.org"]
    handler = mailing(mail_server, admins=admins, dead_letters=str(path))
    await handler.handle(critical())
    await handler.stop()
    assert [mail.recipients for mail in mail_server.mails] == [["ops@example.org"]]
    assert mail_server.rcpts == admins
    [letter] = letters(path)
    assert (letter["recipient"], letter["reason"]) == ("gone@example.org", "550 unknown")
    assert handler.health()["sent_critical_error"] == 1


async def test_both_kinds_of_refusal_at_once(mail_server, mailing, tmp_path):
    """One for good, one for now, one accepted."""
    answers = iter(["450 later"])

    def answer(who):
        if who.startswith("gone"):
            return "550 unknown"
        return next(answers, None) if who.startswith("slow") else None

    mail_server.on_rcpt = answer
    handler = mailing(
        mail_server,
        admins=[f"{who}@example.org" for who in ("gone", "slow", "ops")],
        dead_letters=str(tmp_path / "dead.jsonl"),
    )
    await handler.handle(critical())
    await handler.stop()
    assert [mail.recipients for mail in mail_server.mails] == [
        ["ops@example.org"],
        ["slow@example.org"],
    ]
    assert [one["recipient"] for one in letters(tmp_path / "dead.jsonl")] == ["gone@example.org"]


async def test_if_all_are_refused_nobody_has_got_it(mail_server, mailing):
    """It counts as failed, is not tried again, and the next event of its kind alerts."""
    mail_server.on_rcpt = lambda who: "550 unknown"
    handler = mailing(mail_server)
    await handler.handle(critical())
    await handler.stop()
    assert mail_server.rcpts == ["ops@example.org"]
    assert (handler.health()["failed_critical_error"], handler.health()["dead_letters"]) == (1, 1)
    mail_server.on_rcpt = lambda who: None
    await handler.handle(critical())
    await handler.stop()
    assert len(mail_server.mails) == 1


@pytest.mark.parametrize(("answer", "arrives"), [("554 spam", False), ("451 busy", True)])
async def test_a_mail_that_is_refused(mail_server, mailing, answer, arrives):
    """After DATA: 5xx is final, 4xx is tried again."""
    answers = iter([answer])

    async def refuse(_):
        return next(answers, None)

    mail_server.on_data = refuse
    handler = mailing(mail_server)
    await handler.handle(critical())
    await handler.stop()
    assert len(mail_server.mails) == arrives
    assert handler.health()["dead_letters"] == (not arrives)


async def test_a_connection_dropped_after_data_is_made_again(mail_server, mailing):
    """The server took the mail and vanished before it said so: it gets the same mail again."""
    answers = iter([mail_server.DROP])

    async def drop(_):
        return next(answers, None)

    mail_server.on_data = drop
    handler = mailing(mail_server)
    await handler.handle(critical())
    await handler.stop()
    assert len(mail_server.mails) == 1
    assert mail_server.connections == 2


async def test_a_server_that_never_answers_costs_a_timeout_a_try(mail_server, mailing, caplog):
    """Within `stop_timeout` it is given up, and the reason says what was waited for."""

    async def hang(_):
        await asyncio.sleep(60)

    mail_server.on_data = hang
    handler = mailing(mail_server, timeout=0.2, stop_timeout=1.5)
    await handler.handle(critical())
    await handler.stop()
    assert handler.health()["dead_letters"] == 1
    assert "no answer within 0.2 s" in caplog.text or "Timed out" in caplog.text


async def test_a_mail_is_tried_for_retry_for(mail_servers, mailing, auditor):
    """Then it is a dead letter, without a `stop`."""
    handler = mailing(mail_servers(), retry_for=0, stop_timeout=3600)
    async with auditor.listening_with(handler) as bus:
        await bus.publish(critical())
        assert "Connect call failed" in (await auditor.told()).payload["message"]
        assert handler.health()["dead_letters"] == 1


async def test_a_full_queue_loses_the_newest(mail_server, mailing, tmp_path):
    """They are dead letters at once, counted, and `handle` neither waits nor fails."""
    opened = threading.Event()

    async def wait(_):
        await asyncio.to_thread(opened.wait, 10)

    mail_server.on_data = wait
    path = tmp_path / "dead.jsonl"
    handler = mailing(mail_server, queue_size=2, dead_letters=str(path))
    for message in ("one", "two", "three"):
        await handler.handle(critical(message))
    [letter] = letters(path)
    assert "three" in letter["body"]
    assert (letter["reason"], handler.health()["queue_full"]) == ("the queue was full", 1)
    opened.set()
    await handler.stop()
    assert len(mail_server.mails) == 2
    assert handler.health()["failed_critical_error"] == 1


async def test_lost_notifications_are_told_once_and_make_none(mail_servers, mailing, auditor):
    """One `ERROR_OCCURRED` for all that `stop` gave up; it is no reason for another mail."""
    server = mail_servers()
    handler = mailing(server, stop_timeout=0)
    async with auditor.listening_with(handler) as bus:
        for message in "abc":
            await bus.publish(critical(message))
    report = await auditor.told()
    assert (report.payload["component"], report.payload["severity"]) == (server.url, "critical")
    assert auditor.reports.empty()
    assert (handler.health()["dead_letters"], handler.health()["queued"]) == (3, 0)


async def test_a_loss_while_the_bus_runs_is_told(mail_server, mailing, auditor):
    """By the delivery's thread, on the loop of the bus; one for an outage."""
    mail_server.on_rcpt = lambda who: "550 no"
    handler = mailing(mail_server)
    async with auditor.listening_with(handler) as bus:
        await bus.publish(critical("one"))
        await auditor.told()
        await bus.publish(critical("two"))
    assert auditor.reports.empty()
    assert handler.health()["dead_letters"] == 2


async def test_a_cancelled_stop_gives_up_at_once(mail_servers, mailing):
    """What hurries does not wait for `stop_timeout`; what is left is kept as dead letters."""
    handler = mailing(mail_servers(), stop_timeout=3600)
    await handler.handle(critical())
    [thread] = [one for one in threading.enumerate() if one.name == "busway-notify"]
    stopping = asyncio.create_task(handler.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await asyncio.to_thread(thread.join, 10)
    assert handler.health()["dead_letters"] == 1


def test_a_bus_gives_it_the_time_that_it_wants():
    """Its own, and a little for what is left; without a queue it wants none."""
    mails = {"admins": ["a@b.c"], "sender": "a@b.c"}
    assert NotificationHandler(channels=["smtp://localhost"], **mails).stop_timeout == 35
    assert NotificationHandler().stop_timeout is None
