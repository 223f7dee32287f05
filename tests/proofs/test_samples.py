"""A seeded sample of each long proof; `python -m tests.proofs NAME` runs one whole."""

from __future__ import annotations

import importlib
import os

import pytest
from tests.proofs.__main__ import names

SEED = int(os.environ.get("PROOF_SEED", "20261123"))


@pytest.mark.parametrize("name", names())
def test_a_sample_of_the_proof_holds(name: str) -> None:
    """Every piece in the sample runs, and counts what it looked at."""
    proof = importlib.import_module(f"tests.proofs.{name}")
    pieces = proof.sample(SEED)
    assert set(pieces) <= set(proof.pieces())
    for piece in pieces:
        counts = proof.run(piece)
        assert sum(counts.values()) > 0, f"{name} {piece} (seed {SEED}) looked at nothing"
