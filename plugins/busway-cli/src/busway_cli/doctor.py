"""`busway doctor`: what is wrong with the installation, and what to do about it."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

import click
from importlib_metadata import version

from busway import PLUGIN_API
from busway_cli._answer import answer, answer_json, keep_stdout_clean, table
from busway_cli._doctor_copies import installed_twice, stale_editables, unreadable
from busway_cli._doctor_diagnoses import diagnoses
from busway_cli._doctor_installed import Installation
from busway_cli._doctor_points import leading_nowhere, missing, unknown_groups
from busway_cli._doctor_requirements import unmet_requirements, wrong_python
from busway_cli._doctor_settings import (
    required_plugins,
    settings_of_plugins,
    unknown_names,
    unknown_variables,
)
from busway_cli._logs import logs_on_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from busway_cli._doctor_finding import Finding

__all__ = ["doctor"]

_CHECKS: Final = (
    unreadable,
    wrong_python,
    unmet_requirements,
    installed_twice,
    stale_editables,
    missing,
    unknown_groups,
    leading_nowhere,
    settings_of_plugins,
    required_plugins,
    unknown_names,
    unknown_variables,
    diagnoses,
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-v", "--verbose", is_flag=True, help="Show what is probably all right, too.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, verbose: bool) -> None:
    """Look for what is wrong with the installation: each finding with its culprit and remedy.

    Looks at requirements, entry points, duplicates, editable installs, settings, policy and
    variables, and asks the plugins of the group busway.plugins that may be loaded. No other is
    imported.

    Exit code: 0 nothing is wrong; 1 something is.
    """
    with keep_stdout_clean(wanted=True), logs_on_stderr():
        installation = Installation()
        findings = [one for check in _CHECKS for one in check(installation)]
    shown = [one for one in findings if one.certain or verbose]
    if as_json:
        answer_json({**_versions(), "findings": [one.to_dict() for one in shown]})
    else:
        _show(shown)
    ctx.exit(1 if any(one.certain for one in findings) else 0)


def _show(findings: Sequence[Finding]) -> None:
    told = _versions()
    answer(f"busway {told['busway']}, plugin API {told['plugin_api']}, Python {told['python']}", "")
    if findings:
        rows = [(one.check, one.culprit, _sentence(one)) for one in findings]
        answer(table("check", "culprit", "finding", rows=rows))
    else:
        answer("nothing is wrong")


def _sentence(finding: Finding) -> str:
    return f"{finding.problem}: {finding.remedy}" if finding.remedy else finding.problem


def _versions() -> dict[str, str]:
    return {
        "busway": version("busway"),
        "plugin_api": PLUGIN_API,
        "python": platform.python_version(),
    }
