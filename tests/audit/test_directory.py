"""The directory and its files: nobody else's, and nothing else than they seem."""

import os
import stat
import sys

import pytest
from tests.audit.trail import files, login, numbers

from busway_audit import AuditLogHandler

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX's")


async def write(path, **settings):
    audit = AuditLogHandler(path, **settings)
    await audit.handle(login(1))
    await audit.flush()
    await audit.stop()


@pytest.fixture
def umask():
    before = os.umask(0)
    yield
    os.umask(before)


async def test_all_is_its_owners_alone(tmp_path, umask):
    """Even with an umask of 0; the parents too, and the lock and the head."""
    path = tmp_path / "logs" / "audit"
    await write(path, key="5a" * 32)
    assert {file.name for file in path.iterdir()} == {
        "audit-000001.jsonl",
        "audit.head",
        "audit.lock",
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_link_for_the_directory_is_refused(tmp_path):
    """The message tells where it leads."""
    (tmp_path / "real").mkdir()
    (tmp_path / "audit").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError, match=rf"symbolic link.*{tmp_path / 'real'}"):
        await write(tmp_path / "audit")
    assert not list((tmp_path / "real").iterdir())


async def test_a_link_above_the_directory_is_not(tmp_path):
    """`/var/run` is one on many machines."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    await write(tmp_path / "link" / "audit")
    assert numbers(tmp_path / "real" / "audit") == [1]


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
async def test_a_directory_that_others_can_write_to_is_refused(tmp_path, mode):
    """The message has the command that mends it."""
    path = tmp_path / "audit"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(PermissionError, match=f"chmod go-w {path}"):
        await write(path)
    assert not files(path)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o700])
async def test_one_that_others_can_read_is_not(tmp_path, mode):
    """That is for its owner to say: a log shipper may have to."""
    path = tmp_path / "audit"
    path.mkdir(mode)
    await write(path)
    assert numbers(path) == [1]


async def test_a_world_writable_parent_is_refused(tmp_path):
    """Anybody could put another directory in the place of ours."""
    parent = tmp_path / "open"
    parent.mkdir()
    parent.chmod(0o777)
    with pytest.raises(PermissionError, match=f"chmod o-w {parent}"):
        await write(parent / "audit")


async def test_a_sticky_one_is_not(tmp_path):
    """As `/tmp` is: there, what is ours stays ours."""
    parent = tmp_path / "sticky"
    parent.mkdir()
    parent.chmod(0o1777)
    await write(parent / "audit")
    assert numbers(parent / "audit") == [1]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="chown needs root")
async def test_a_directory_of_another_user_is_refused(tmp_path):
    """He could do with the trail what he likes."""
    path = tmp_path / "audit"
    path.mkdir(0o700)
    os.chown(path, 12345, -1)
    with pytest.raises(PermissionError, match="user 12345"):
        await write(path)


async def test_a_path_that_is_a_file_is_named_with_the_remedy(tmp_path):
    """And the events wait until it is mended."""
    blocked = tmp_path / "audit"
    blocked.write_text("in the way")
    audit = AuditLogHandler(blocked)
    await audit.handle(login(1))
    with pytest.raises(NotADirectoryError, match=r"`path`.*audit") as caught:
        await audit.flush()
    assert caught.value.filename == str(blocked)
    blocked.unlink()
    await audit.stop()
    assert numbers(blocked) == [1]


@pytest.mark.parametrize("name", ["audit-000001.jsonl", "audit.head", "audit.lock"])
async def test_a_link_in_a_files_place_is_not_followed(tmp_path, name):
    """What it leads to is neither read nor written."""
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    path = tmp_path / "audit"
    path.mkdir(0o700)
    (path / name).symlink_to(victim)
    with pytest.raises(OSError):
        await write(path, key="5a" * 32)
    assert victim.read_text() == "precious\n"


async def test_what_is_no_file_is_refused(tmp_path):
    """And not waited for, as opening a pipe would."""
    path = tmp_path / "audit"
    path.mkdir(0o700)
    os.mkfifo(path / "audit-000001.jsonl")
    with pytest.raises(PermissionError, match="no file of our own"):
        await write(path)
