"""Checkpoints: what a trail is held to, and who signed it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from tests.audit.by_the_book import KEY, Book, lines

from busway_audit import ChainHead, Checkpoint, SignatureError, TrailError, read_checkpoints, verify
from busway_audit.commands import audit
from busway_audit.keys import create_pair

MADE = Checkpoint(
    heads=(ChainHead(slot=1, log="0" * 32, segment=2, seq=9, hash="f" * 64),),
    made_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def run(*arguments: object):
    return CliRunner().invoke(audit, [str(one) for one in arguments])


@pytest.fixture
def book(tmp_path) -> Book:
    made = Book(tmp_path / "audit")
    made.batch(2)
    made.batch(2)
    return made


@pytest.fixture
def pair(tmp_path):
    """A pair of keys: the private one's file, and the public one's."""
    private = tmp_path / "sign"
    return private, create_pair(private)


def held(book: Book, file, *options: object) -> tuple[int, str]:
    """What `verify --against` says: its exit code, and why."""
    done = run("verify", book.directory, "--against", file, *options)
    return done.exit_code, done.stderr


@pytest.fixture
def taken(book, tmp_path):
    """A checkpoint of the book, in a file; the book has gone on since."""
    file = tmp_path / "checkpoint"
    done = run("checkpoint", book.directory)
    assert (done.exit_code, done.stderr) == (0, "")
    file.write_text(done.stdout)
    book.batch(2)
    return file


def test_a_checkpoint_is_one_line_of_json(book):
    """Where each chain ends, and when."""
    Book(book.directory, slot=2).batch(1)
    told = json.loads(run("checkpoint", book.directory).stdout)
    assert told["checkpoint"] == 1
    assert datetime.fromisoformat(told["made_at"]).tzinfo is not None
    assert [head["slot"] for head in told["heads"]] == [1, 2]
    assert told["heads"][0] == {
        "slot": 1,
        "log": book.log,
        "segment": 1,
        "seq": 7,
        "hash": book.prev,
    }


def test_a_line_is_read_as_it_was_written(pair):
    """Signed or not; what may have been added later is passed over."""
    private, public = (file.read_bytes() for file in pair)
    assert Checkpoint.from_line(MADE.to_line()) == MADE
    assert Checkpoint.from_line(MADE.to_line(private)) == MADE
    assert Checkpoint.from_line(MADE.to_line(private), public) == MADE


def test_a_trail_that_went_on_is_held(book, taken):
    """It contains what it contained."""
    assert held(book, taken) == (0, "")


def test_a_cut_tail_is_found(book, taken):
    """Which a bare chain does not show."""
    book.path.write_bytes(b"".join(lines(book.path)[:4]))
    code, told = held(book, taken)
    assert code == 1
    assert "seq 5: the checkpoint of 2" in told
    assert "names seq 7, which is not there" in told


def test_a_trail_that_was_written_anew_is_found(book, taken):
    """However well it holds by itself."""
    book.path.unlink()
    again = Book(book.directory)
    again.batch(2, source="somebody else")
    again.batch(4)
    code, told = held(book, taken)
    assert code == 1
    assert "seq 7: the checkpoint of 2" in told
    assert "names another record" in told


def test_another_trail_is_found(book, taken):
    """Its log has another id."""
    book.path.unlink()
    Book(book.directory, log="f" * 32).batch(9)
    code, told = held(book, taken)
    assert code == 1
    assert "names is not there" in told


def test_a_slot_that_is_gone_is_found(book, tmp_path):
    """Nothing else tells that there was one."""
    other = Book(book.directory, slot=2)
    other.batch(1)
    (tmp_path / "checkpoint").write_text(run("checkpoint", book.directory).stdout)
    other.path.unlink()
    assert held(book, tmp_path / "checkpoint")[0] == 1


def test_several_checkpoints_are_held(book, taken):
    """One a line, in any number of files; blank lines are passed over."""
    taken.write_text(f"{taken.read_text()}\n{run('checkpoint', book.directory).stdout}\r\n")
    assert held(book, taken, "--against", taken) == (0, "")
    book.path.write_bytes(b"".join(lines(book.path)[:7]))
    code, told = held(book, taken)
    assert (code, told.count("names seq 10")) == (1, 1)


def test_a_trail_that_was_tampered_with_gets_none(book):
    """It is not signed away."""
    book.path.write_bytes(book.path.read_bytes().replace(b'"n":2', b'"n":3'))
    done = run("checkpoint", book.directory)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "seq 2" in done.stderr


def test_a_torn_end_is_left_out(book):
    """The checkpoint is that of the last commit."""
    book.event()
    done = run("checkpoint", book.directory)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["heads"][0]["seq"] == 7


def test_a_sealed_trail_takes_its_key(tmp_path):
    """As for verifying it."""
    book = Book(tmp_path / "audit", key=KEY)
    book.batch(1)
    (tmp_path / "key").write_text(KEY.hex())
    assert run("checkpoint", book.directory).exit_code == 3
    done = run("checkpoint", book.directory, "--key", tmp_path / "key")
    assert json.loads(done.stdout)["heads"][0]["hash"] == book.prev


def test_a_signature_holds(book, tmp_path, pair):
    """That of the private key, by the public one."""
    private, public = pair
    file = tmp_path / "checkpoint"
    file.write_text(run("checkpoint", book.directory, "--sign", private).stdout)
    assert held(book, file, "--public-key", public) == (0, "")
    assert held(book, file) == (0, "")
    assert read_checkpoints(file, public.read_bytes())[0].heads[0].seq == 7


@pytest.mark.parametrize("position", range(0, len(MADE.to_line()) + 143, 7))
def test_a_signed_checkpoint_cannot_be_changed(pair, position):
    """Not at any place."""
    private, public = (file.read_bytes() for file in pair)
    changed = bytearray(MADE.to_line(private))
    changed[position] ^= 1
    with pytest.raises(SignatureError):
        Checkpoint.from_line(bytes(changed), public)


def test_a_signature_that_does_not_hold_is_tampering(book, tmp_path, pair, taken):
    """By another key, changed, or none at all: exit code 1."""
    _, public = pair
    assert held(book, taken, "--public-key", public)[0] == 1
    other = tmp_path / "other"
    create_pair(other)
    taken.write_text(run("checkpoint", book.directory, "--sign", other).stdout)
    code, told = held(book, taken, "--public-key", public)
    assert code == 1
    assert f"{taken}:1: it was not signed by this key, or was changed" in told


BAD = {
    "nothing": b"",
    "no JSON": b"hello\n",
    "another object": b"{}\n",
    "a naive time": MADE.to_line().replace(b"Z", b""),
    "a seq that is none": MADE.to_line().replace(b'"seq":9', b'"seq":"9"'),
    "too deep": b"[" * 100_000,
    "a later version": MADE.to_line().replace(b'"checkpoint":1', b'"checkpoint":2'),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_checkpoint_is_refused(book, tmp_path, content):
    """With exit code 3; nothing was held against it."""
    file = tmp_path / "checkpoint"
    file.write_bytes(content)
    code, told = held(book, file)
    assert code == 3
    assert str(file) in told
    with pytest.raises(TrailError):
        read_checkpoints(file)


def test_a_file_is_not_held_against_a_checkpoint(book, taken):
    """It speaks of all of a trail; a file would pass with that of any other."""
    done = run("verify", book.path, "--against", taken)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "a checkpoint is held against all of a trail" in done.stderr


def test_a_public_key_without_a_checkpoint_is_refused(book, pair):
    """Nobody is to believe that a signature was looked at."""
    done = run("verify", book.directory, "--public-key", pair[1])
    assert (done.exit_code, done.stdout) == (3, "")
    assert "--against" in done.stderr


def test_a_checkpoint_that_is_not_there(book, tmp_path):
    """Exit code 3; it is named."""
    code, told = held(book, tmp_path / "none")
    assert code == 3
    assert f"{tmp_path / 'none'}: No such file or directory" in told


@pytest.mark.parametrize("option", ["--sign", "--public-key"])
def test_a_key_of_another_kind_is_refused(book, tmp_path, taken, option):
    """The seal's key signs nothing."""
    (tmp_path / "key").write_text(KEY.hex())
    if option == "--sign":
        done = run("checkpoint", book.directory, "--sign", tmp_path / "key")
        code, told = done.exit_code, done.stderr
    else:
        taken.write_bytes(MADE.to_line()[:-1] + b',"signature":"' + b"0" * 128 + b'"}')
        code, told = held(book, taken, "--public-key", tmp_path / "key")
    assert code == 3
    assert "Ed25519" in told


def test_it_is_held_in_python_too(book):
    """`verify` takes checkpoints."""
    made = Checkpoint(heads=verify(book.directory, print).heads, made_at=datetime.now(UTC))
    book.path.write_bytes(b"".join(lines(book.path)[:4]))
    assert verify(book.directory, print, against=[made]).tampered == 1


def test_without_cryptography_it_is_said_what_to_install(book, pair):
    """Only signatures need it."""
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from busway_audit.commands import audit; audit(sys.argv[1:])"
    )
    called = [sys.executable, "-c", code, "checkpoint", str(book.directory)]
    assert subprocess.run(called, capture_output=True, check=False).returncode == 0
    done = subprocess.run([*called, "--sign", pair[0]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "pip install 'busway-audit[sign]'" in done.stderr
