"""The sample is what its script writes."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import ROOT


def test_the_sample_is_what_its_script_prints() -> None:
    """To the byte, at every run."""
    script = ROOT / "docs" / "sample.py"
    done = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (ROOT / "docs" / "sample.jsonl").read_bytes()
