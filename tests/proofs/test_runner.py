"""The runner of the long proofs: piece by piece, going on where it was interrupted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.proofs import __main__ as runner
from tests.proofs import audit_faults

if TYPE_CHECKING:
    from pathlib import Path


def test_pieces_that_are_done_are_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the missing one is run, kept, and added to the total."""
    monkeypatch.chdir(tmp_path)
    *done, missing = audit_faults.pieces()
    (tmp_path / ".proofs").mkdir()
    kept = tmp_path / ".proofs" / "audit_faults.json"
    kept.write_text(json.dumps({piece: {"known": 1} for piece in done}))
    assert runner.main(["audit_faults"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in printed] == [missing, "audit_faults"]
    assert list(json.loads(kept.read_text())) == [*done, missing]
    assert f"{len(done)} known" in printed[-1]


def test_fresh_forgets_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece is run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(audit_faults, "pieces", lambda: ["one", "two"])
    monkeypatch.setattr(audit_faults, "run", lambda piece: {"looked": len(piece)})
    (tmp_path / ".proofs").mkdir()
    kept = tmp_path / ".proofs" / "audit_faults.json"
    kept.write_text(json.dumps({"one": {"looked": 99}}))
    assert runner.main(["audit_faults", "--fresh"]) == 0
    assert json.loads(kept.read_text()) == {"one": {"looked": 3}, "two": {"looked": 3}}


def test_a_proof_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of those there are."""
    with pytest.raises(SystemExit) as stopped:
        runner.main(["nonsense"])
    assert stopped.value.code == 2
    assert "audit_faults" in capsys.readouterr().err
