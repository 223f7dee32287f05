"""The page on applications tells the truth of Flask, Django, gunicorn and uWSGI.

Its files are served by the real ones; a plugin tells when its bus starts and stops, and where.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import steps_of
from tests.examples.servers import Server, install_witness

if TYPE_CHECKING:
    from pathlib import Path

    from tests.environments import Environment

# what django-admin would have written
DJANGO = {
    "shop/__init__.py": "",
    "shop/settings.py": """
SECRET_KEY = "for tests"
DEBUG = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "shop"]
ROOT_URLCONF = "shop.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}}
LOGGING = {  # tells which files the reloader watches
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.utils.autoreload": {"handlers": ["console"], "level": "DEBUG"}},
}
""",
    "shop/urls.py": """
from django.urls import path
from shop.views import create_user

urlpatterns = [path("users/<name>", create_user)]
""",
    "shop/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
""",
}
GUNICORN = ("gunicorn", "--workers", "2", "--bind", "127.0.0.1:0")
STARTED = "witness: started (.+)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page, those of a Django project, and the witness."""
    page = [step for step in steps_of("docs/how-to/applications.md") if step["kind"] == "file"]
    for name, text in {**DJANGO, **{str(one["name"]): str(one["text"]) for one in page}}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    install_witness(tmp_path / "site")
    return tmp_path


@pytest.mark.parametrize("more", [[], ["--preload"], ["--worker-class", "gthread"]])
def test_gunicorn_runs_a_bus_in_each_worker(
    more: list[str], folder: Path, examples: Environment
) -> None:
    """Of Flask here, preloaded or not; each is stopped, and the processes end."""
    with Server(examples, folder, *GUNICORN, *more, "flask_app:create_app()") as server:
        url = server.read_until(r"Listening at: (\S+)")
        server.read_until(STARTED, times=2)
        assert server.post(f"{url}/users/ada") == {"handled": True}
        assert server.end(signal.SIGTERM) == 0
    assert len(set(server.told("started"))) == 2
    assert server.told("stopped") == server.told("started")
    assert set(server.told("handled")) < set(server.told("started"))


def test_uwsgi_runs_a_bus_in_its_worker(folder: Path, examples: Environment) -> None:
    """And stops it, when its master is told to end.

    One worker, which has answered: uWSGI loses a signal to one that is about to begin.
    """
    command = ("uwsgi", "--ini", "uwsgi.ini", "--processes", "1", "--http-socket", "127.0.0.1:0")
    with Server(examples, folder, *command) as server:
        address = server.read_until(r"bound to TCP address (\S+)")
        worker = int(server.read_until(STARTED))
        assert server.post(f"http://{address}/users/ada") == {"handled": True}
        assert server.end(signal.SIGTERM, master_alone=True) == 0
    told = [server.told(what) for what in ("started", "handled", "stopped")]
    assert told == [[worker], [worker], [worker]]


def test_flask_s_reloader_leaves_the_block(folder: Path, examples: Environment) -> None:
    """Each process that entered the bus left it: those that served, and the one that watches."""
    module = folder / "flask_app.py"
    module.write_text(module.read_text().replace("run(debug=True)", "run(debug=True, port=0)"))
    with Server(examples, folder, "python", "flask_app.py") as server:
        url = server.read_until(r"Running on (\S+)")
        first = int(server.read_until(STARTED))
        assert server.post(f"{url}/users/ada") == {"handled": True}
        module.write_text(module.read_text() + "\n")
        second = int(server.read_until(STARTED))
        assert server.post(f"{url}/users/bob") == {"handled": True}
        assert server.end(signal.SIGINT) == 0
    assert server.told("handled") == sorted([first, second])
    assert server.told("stopped") == server.told("started")
    assert len(server.told("started")) == 3


@pytest.fixture
def migrated(folder: Path, examples: Environment) -> Path:
    """The folder, its database made by a management command, which enters and leaves the bus."""
    with Server(examples, folder, "python", "manage.py", "migrate", "-v0") as command:
        assert command.wait() == 0, command.output
    assert command.told("stopped") == command.told("started")
    assert len(command.told("started")) == 1
    return folder


def test_django_s_reloader_leaves_the_block(migrated: Path, examples: Environment) -> None:
    """What is published on commit is handled, in a thread that sees it."""
    serving = r"server at (http://[\d.:]+)/"
    command = ("python", "manage.py", "runserver", "127.0.0.1:0")
    with Server(examples, migrated, *command) as server:
        url = server.read_until(serving)
        assert server.post(f"{url}/users/ada") == {"user_id": 1}
        server.read_until("(hello ada)")
        views = migrated / "shop" / "views.py"
        server.read_once(r"shop/views\.py first seen")
        views.write_text(views.read_text() + "\n")
        url = server.read_until(serving)
        assert server.post(f"{url}/users/bob") == {"user_id": 2}
        server.read_until("(hello bob)")
        assert server.end(signal.SIGINT) == 0
    assert len(set(server.told("handled"))) == 2
    assert server.told("stopped") == server.told("started")
    assert len(server.told("started")) == 3


def test_gunicorn_serves_django(migrated: Path, examples: Environment) -> None:
    """With the handlers that `ready` subscribed before the bus was entered."""
    with Server(examples, migrated, *GUNICORN, "shop.wsgi") as server:
        url = server.read_until(r"Listening at: (\S+)")
        server.read_until(STARTED, times=2)
        assert server.post(f"{url}/users/ada") == {"user_id": 1}
        server.read_until("(hello ada)")
        assert server.end(signal.SIGTERM) == 0
    assert server.told("stopped") == server.told("started")
