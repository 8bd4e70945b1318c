"""What a verb tells GitHub at its end, where it runs in a workflow: a summary of the step, and annotations."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._app import say
from harness.errors import StorageError

if TYPE_CHECKING:
    from harness.report import Report

__all__ = ["tell_github", "tell_github_of_run"]


def tell_github(report: Report, *, as_json: bool) -> None:
    """Append the summary to the file of ``GITHUB_STEP_SUMMARY``; print annotations where ``GITHUB_ACTIONS`` is true.

    A summary that cannot be written is said on standard error and changes no verdict. With ``--json`` there are no
    annotations, for standard output is one JSON object.
    """
    place = _summary()
    annotated = _is_workflow() and not as_json
    if not place and not annotated:
        return
    from harness.report.github import annotation_lines, append_summary

    if place:
        try:
            append_summary(report, Path(place))
        except StorageError as error:
            say(error)
    if annotated:
        # As they are: a command is one line, however narrow a terminal is.
        sys.stdout.write("".join(f"{line}\n" for line in annotation_lines(report)))
        sys.stdout.flush()


def tell_github_of_run(folder: Path, verdict: Mapping[str, object], *, as_json: bool) -> None:
    """The same of a run's report.json, with the verdict that was just made of it.

    Args:
        folder: the run's.
        verdict: its JSON.
        as_json: standard output is one JSON object.
    """
    if not _summary() and not _is_workflow():
        return
    from harness.policy import Verdict
    from harness.report import Report

    place = folder / "report.json"
    kept = json.loads(place.read_bytes()) if place.is_file() else {}
    tell_github(replace(Report.from_json(kept), verdict=Verdict.from_json(verdict)), as_json=as_json)


def _summary() -> str:
    return os.environ.get("GITHUB_STEP_SUMMARY", "")


def _is_workflow() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"
