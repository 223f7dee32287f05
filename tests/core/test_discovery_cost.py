"""Discovery among many distributions: what it reads, and what it does not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.benchmarks.discovery import install_many

READS = """
import json, sys
from importlib_metadata import MetadataPathFinder, entry_points
from busway._discovery import discover

site = sys.path[0] = sys.argv[1]
reads = []
sys.addaudithook(
    lambda event, args: reads.append(str(args[0])) if event == "open" else None
)

def read(function):
    reads.clear()
    MetadataPathFinder.invalidate_caches()
    function()
    return sum(one.startswith(site) for one in reads)

print(json.dumps([read(entry_points), read(discover), len(discover())]))
"""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """300 distributions, 50 of them with plugins that must not be imported."""
    site = tmp_path_factory.mktemp("crowded")
    install_many(site)
    return site


def test_it_reads_little_more_than_a_bare_look_at_entry_points(crowded):
    """Each distribution's entry points once, and the metadata of those with plugins once."""
    told = subprocess.run(
        [sys.executable, "-c", READS, str(crowded)], capture_output=True, text=True, check=True
    )
    bare, ours, found = json.loads(told.stdout)
    assert (bare, ours) == (300, 350)
    assert found >= 50


def test_help_imports_no_plugin(crowded):
    """Whatever is installed: each of these would raise."""
    told = subprocess.run(
        [sys.executable, "-m", "busway_cli", "--help"],
        env={**os.environ, "PYTHONPATH": str(crowded)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (told.stderr, "Usage" in told.stdout) == ("", True)
