"""What a verb tells GitHub at its end, where it runs in a workflow: a summary of the step, and annotations."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from harness.cli._app import say
from harness.errors import StorageError

__all__ = ["tell_github"]


def tell_github(folder: Path, *, as_json: bool) -> None:
    """Append the summary to the file of ``GITHUB_STEP_SUMMARY``; print annotations where ``GITHUB_ACTIONS`` is true.

    A summary that cannot be written is said on standard error and changes no verdict. With ``--json`` there are no
    annotations, for standard output is one JSON object.

    Args:
        folder: of the run whose report.json was just written.
        as_json: standard output is one JSON object.
    """
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "")
    annotated = os.environ.get("GITHUB_ACTIONS") == "true" and not as_json
    if not summary and not annotated:
        return
    from harness.report import Report
    from harness.report.github import annotation_lines, append_summary

    report = Report.from_json(json.loads((folder / "report.json").read_bytes()))
    if summary:
        try:
            append_summary(report, Path(summary))
        except StorageError as error:
            say(error)
    if annotated:
        # As they are: a command is one line, however narrow a terminal is.
        sys.stdout.write("".join(f"{line}\n" for line in annotation_lines(report)))
        sys.stdout.flush()
