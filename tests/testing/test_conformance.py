"""What is right passes the kit; each way to be wrong fails the one test that is about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.testing.samples import event_types, handlers, hooks, interceptors, middleware
from tests.testing.suites import judge

if TYPE_CHECKING:
    from tests.testing.suites import Verdict

KINDS = {
    "HandlerConformance": ("busway.handlers", handlers),
    "MiddlewareConformance": ("busway.middleware", middleware),
    "InterceptorConformance": ("busway.interceptors", interceptors),
    "EventTypesConformance": ("busway.event_types", event_types),
    "PluginConformance": ("busway.plugins", hooks),
}

BATCH = 15
"""Samples that are installed at once: each makes the discovery of all others slower."""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Verdict]]:
    """Of each kind's class, on all samples of that kind."""
    told: dict[str, dict[str, Verdict]] = {}
    for kind, (group, samples) in KINDS.items():
        everything = [*(samples.GOOD | samples.BAD).items()]
        for start in range(0, len(everything), BATCH):
            batch = dict(everything[start : start + BATCH])
            verdicts = judge(tmp_path_factory.mktemp(kind), kind, group, batch)
            told.setdefault(kind, {}).update(verdicts)
    return told


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, (_, one) in KINDS.items() for name in one.GOOD]
)
def test_what_is_right_passes(verdicts, kind: str, name: str) -> None:
    """All tests, with none left out."""
    verdict = verdicts[kind][name]
    assert (verdict.failed, verdict.skipped) == ({}, {})
    assert len(verdict.passed) > 6


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, (_, one) in KINDS.items() for name in one.BAD]
)
def test_what_is_wrong_fails_one_test(verdicts, kind: str, name: str) -> None:
    """Which says what is wrong, and what to do."""
    sample = KINDS[kind][1].BAD[name]
    failed = verdicts[kind][name].failed
    assert list(failed) == [sample.fails], failed
    assert sample.told in failed[sample.fails]
