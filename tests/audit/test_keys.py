"""`busway audit keygen`: keys that only their owner can read, and that replace nothing."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.audit.by_the_book import KEY

from busway_audit import KeyFormatError, read_key
from busway_audit.commands import audit
from busway_audit.keys import is_signed_by, sign


def keygen(*arguments: object):
    return CliRunner().invoke(audit, ["keygen", *map(str, arguments)])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def _open_to_all():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_to_all")
def test_a_key_is_its_owner_s(tmp_path):
    """Whatever the umask: 64 hex digits, other ones each time."""
    for name in ("one", "two"):
        assert keygen(tmp_path / name).exit_code == 0
        assert mode(tmp_path / name) == 0o600
    texts = [(tmp_path / name).read_text() for name in ("one", "two")]
    assert all(re.fullmatch(r"[0-9a-f]{64}\n", text) for text in texts)
    assert texts[0] != texts[1]
    assert read_key(tmp_path / "one") == bytes.fromhex(texts[0])


@pytest.mark.usefixtures("_open_to_all")
def test_a_pair_is_a_private_and_a_public_key(tmp_path):
    """What one signs, the other knows."""
    assert keygen("--sign", tmp_path / "key").exit_code == 0
    private, public = tmp_path / "key", tmp_path / "key.pub"
    assert (mode(private), mode(public)) == (0o600, 0o644)
    signature = sign(private.read_bytes(), b"data")
    assert is_signed_by(public.read_bytes(), b"data", signature)
    assert not is_signed_by(public.read_bytes(), b"date", signature)


def test_a_pair_is_what_openssl_reads(tmp_path):
    """And what it signs with it holds."""
    assert keygen("--sign", tmp_path / "key").exit_code == 0
    (tmp_path / "data").write_bytes(b"data")
    called = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", "key", "-in", "data"]
    try:
        done = subprocess.run([*called, "-out", "signed"], cwd=tmp_path, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert done.returncode == 0, done.stderr
    signature = (tmp_path / "signed").read_bytes()
    assert is_signed_by((tmp_path / "key.pub").read_bytes(), b"data", signature)


@pytest.mark.parametrize(
    ("options", "name"), [([], "key"), (["--sign"], "key"), (["--sign"], "key.pub")]
)
@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("else")])
def test_nothing_is_replaced(tmp_path, options, make, name):
    """Neither a key that is in use, nor what a link leads to."""
    make(tmp_path / name)
    done = keygen(*options, tmp_path / "key")
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"{tmp_path / name}: File exists" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_directory_that_is_not_there(tmp_path):
    """Is named."""
    done = keygen(tmp_path / "none" / "key")
    assert done.exit_code == 3
    assert "No such file or directory" in done.stderr


@pytest.mark.parametrize("text", [KEY.hex(), f"{KEY.hex()}\n", f"{KEY.hex().upper()}\r\n"])
def test_a_key_is_read(tmp_path, text):
    """As editors leave it."""
    (tmp_path / "key").write_bytes(text.encode())
    assert read_key(tmp_path / "key") == KEY


@pytest.mark.parametrize("content", [b"", b"secret", b"ab" * 31, b"zz" * 32, b"\xff" * 64, KEY])
def test_what_is_no_key_is_refused(tmp_path, content):
    """The file is named, and nothing of it repeated."""
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(KeyFormatError) as caught:
        read_key(tmp_path / "key")
    assert (
        str(caught.value)
        == f"{tmp_path / 'key'}: 64 hex digits are expected, as keygen writes them"
    )
