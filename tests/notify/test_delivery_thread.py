"""The delivery's thread: exits, forks, queued channels of a user's own."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import weakref

import pytest

from busway import Event, EventBus
from busway_notify import DeliveryError, NotificationHandler, RecipientsRefusedError


def critical(message="gone"):
    return Event("error.occurred", {"severity": "critical", "message": message}, source="a")


class Pager:
    """A user's channel that asks to be queued, and raises what it is told to."""

    name = "pager:"
    addresses_people = False
    is_queued = True

    def __init__(self, *errors):
        self.errors = list(errors)
        self.sent = []
        self.threads = set()

    async def send(self, notification):
        self.threads.add(threading.current_thread().name)
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(notification)


async def deliver(pager, **settings):
    handler = NotificationHandler(channels=[pager], **settings)
    await handler.handle(critical())
    await handler.stop()
    return handler.health()


async def test_a_channel_of_one_s_own_may_be_queued():
    """It is awaited in the delivery's thread, and again if it raises."""
    pager = Pager(RuntimeError("busy"), DeliveryError("busy", retry_after=0.1))
    health = await deliver(pager)
    assert (len(pager.sent), health["delivered"]) == (1, 1)
    assert pager.threads == {"busway-notify"}


async def test_a_channel_may_say_that_it_is_in_vain():
    """Then it is not tried again."""
    pager = Pager(DeliveryError("no such pager", is_final=True))
    health = await deliver(pager)
    assert (pager.sent, health["dead_letters"]) == ([], 1)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
async def test_a_channel_that_exits_ends_no_thread(error):
    """It is one more try that failed, and `stop` waits for all that is queued."""
    pager = Pager(error)
    health = await deliver(pager, stop_timeout=10)
    assert (len(pager.sent), health["delivered"], health["queued"]) == (1, 1, 0)


async def test_a_handler_may_be_stopped_after_its_bus_was_closed(caplog):
    """Nobody is left to tell of what was lost, but the log."""
    handler = NotificationHandler(channels=[Pager(DeliveryError("no", is_final=True))])
    bus = EventBus()
    await handler.start(bus)
    bus.close()
    await handler.handle(critical())
    await handler.stop()
    assert "was not delivered" in caplog.text


async def test_a_channel_may_refuse_some():
    """The others have got it."""
    refused = {"b@example.org": DeliveryError("gone", is_final=True)}
    pager = Pager(RecipientsRefusedError(refused))
    health = await deliver(pager, admins=["a@example.org", "b@example.org"])
    assert (pager.sent, health["dead_letters"], health["sent_critical_error"]) == ([], 1, 1)
    assert health["delivered"] == 1


async def test_a_channel_may_refuse_all():
    """Nobody has got it."""
    pager = Pager(RecipientsRefusedError({"a@example.org": DeliveryError("gone", is_final=True)}))
    health = await deliver(pager, admins=["a@example.org"])
    assert (health["delivered"], health["failed_critical_error"]) == (0, 1)


async def test_a_notification_that_waits_holds_up_no_other(mail_server, mailing):
    """One recipient is put off again and again; other mails go through meanwhile."""
    mail_server.on_rcpt = lambda who: "450 later" if who.startswith("slow") else None
    handler = mailing(mail_server, stop_timeout=2)
    await handler.handle(Event("user.created", {"email": "slow@example.org"}))
    for number in range(20):
        await handler.handle(critical(str(number)))
    await asyncio.to_thread(mail_server.wait, 20)
    await handler.stop()
    assert handler.health()["dead_letters"] == 1


SCRIPT = """
import asyncio, sys
from busway import Event, EventBus
from busway_notify import NotificationHandler
handler = NotificationHandler(
    channels=[sys.argv[1]], admins=["ops@example.org"], sender="busway@example.org",
    stop_timeout=float(sys.argv[2]), dead_letters=sys.argv[3],
)
event = Event("error.occurred", {"severity": "critical"})
asyncio.run(handler.handle(event))
"""


def test_the_interpreter_s_exit_delivers(mail_server, tmp_path):
    """A script that never calls `stop`."""
    command = [sys.executable, "-c", SCRIPT, f"smtp://localhost:{mail_server.port}", "20"]
    done = subprocess.run([*command, str(tmp_path / "dead")], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(mail_server.mails) == 1


def test_the_interpreter_s_exit_keeps_what_it_cannot_deliver(mail_servers, tmp_path):
    """After `stop_timeout`, as a dead letter."""
    command = [sys.executable, "-c", SCRIPT, mail_servers().url, "0.5", str(tmp_path / "dead")]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert json.loads((tmp_path / "dead").read_text())["kind"] == "critical_error"


def test_the_interpreter_s_exit_waits_for_all_dead_letters(mail_servers, tmp_path):
    """As long as they get fewer: fifteen, each a tenth of a second, where a second is the limit."""
    script = f"""{SCRIPT}
import logging, time
import busway_notify._delivery.delivery as delivery
delivery.GRACE = 0.5
class Slow(logging.Handler):
    def emit(self, record): time.sleep(0.1)
logging.getLogger("busway.notify").addHandler(Slow())
for number in range(14):
    event = Event("error.occurred", {{"severity": "critical", "message": str(number)}})
    asyncio.run(handler.handle(event))
"""
    path = tmp_path / "dead"
    command = [sys.executable, "-c", script, mail_servers().url, "0.1", str(path)]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert len(path.read_text().splitlines()) == 15


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_post_of_its_own(mail_server, mailing):
    """It sends what it is given, and nothing of its parent's."""
    handler = mailing(mail_server)
    asyncio.run(handler.handle(critical("before")))
    mail_server.wait(1)
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(handler.handle(critical("of the child")))
            asyncio.run(handler.stop())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    mail_server.wait(2)
    asyncio.run(handler.handle(critical("after")))
    asyncio.run(handler.stop())
    subjects = sorted(mail.message["Subject"].strip().split(": ")[1] for mail in mail_server.mails)
    assert subjects == ["after", "before", "of the child"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_its_parent_s_mails(mail_servers, tmp_path):
    """It exits in good order at once, and gives up nothing: they are the parent's."""
    script = f"""{SCRIPT}
import os, time
begun = time.monotonic()
child = os.fork()
if child == 0:
    sys.exit(7)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), time.monotonic() - begun < 5)
asyncio.run(handler.stop())
"""
    path = tmp_path / "dead"
    command = [sys.executable, "-c", script, mail_servers().url, "6", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "7 True\n"
    assert len(path.read_text().splitlines()) == 1


async def test_a_handler_that_is_forgotten_leaves_no_thread(mail_server, mailing):
    """What it has queued is delivered, and then its thread ends."""
    handler = mailing(mail_server)
    await handler.handle(critical())
    [thread] = [one for one in threading.enumerate() if one.name == "busway-notify"]
    await asyncio.to_thread(mail_server.wait, 1)
    known = weakref.ref(handler)
    del handler
    for _ in range(50):
        gc.collect()
        if known() is None:
            break
        await asyncio.sleep(0.1)
    assert known() is None
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


def test_many_threads_put_at_once(mail_server, mailing):
    """Eight loops in eight threads, 25 mails each: all arrive, none twice."""
    handler = mailing(mail_server, error_cooldown=0, max_alerts=1000)

    async def publish(number):
        for count in range(25):
            await handler.handle(critical(f"{number} {count}"))

    threads = [
        threading.Thread(target=lambda number=number: asyncio.run(publish(number)))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(handler.stop())
    assert len(mail_server.mails) == 200
    assert set(mail_server.ids().values()) == {1}
