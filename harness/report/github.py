"""What a workflow on GitHub shows of a report: the step's summary, and annotations at the policy's lines."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import StorageError
from harness.report._clean import clean
from harness.report.model import Report
from harness.report.writers._findings import Finding, Status, findings
from harness.report.writers._markdown import fitted
from harness.report.writers.summary import render

__all__ = ["ANNOTATIONS_MAX", "annotation_lines", "append_summary"]

# GitHub shows so many annotations of a kind for each step, and drops the rest without a word.
ANNOTATIONS_MAX = 10
# A step's summary above this is dropped whole.
STEP_BYTES_MAX = 1024 * 1024
# What the first sentence and a few rules take: less of a summary would be none.
ROOM_MIN = 4096
MESSAGE_MAX = 1000
COMMANDS: Mapping[Status, str] = {"fails": "error", "undecided": "error", "warns": "warning"}


def append_summary(report: Report, path: Path) -> None:
    """Append a report's summary to the file that GitHub shows beside a workflow's step.

    What the step has written before counts towards GitHub's limit: the summary is cut so that all of it fits.

    Args:
        report: what one audit found.
        path: the file that ``GITHUB_STEP_SUMMARY`` names.

    Raises:
        StorageError: the file is full, is no ordinary file, or cannot be written.
    """
    try:
        # Without waiting for a reader, where somebody put a pipe there.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "ab") as stream:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise StorageError(f"{path}: no ordinary file, so it gets no summary")
            # A line of its own, whatever was written before.
            begin = "\n\n" if found.st_size else ""
            whole, room = render(report, {}), STEP_BYTES_MAX - found.st_size - len(begin)
            if room < min(len(whole.encode()), ROOM_MIN):
                raise StorageError(
                    f"{path}: holds {found.st_size} bytes already, so that no summary has room below GitHub's 1 MiB",
                    hint="run edgeleak in a step of its own",
                )
            stream.write((begin + fitted(whole, room)).encode())
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error


def annotation_lines(report: Report) -> tuple[str, ...]:
    """Commands that make GitHub show what does not hold at the policy's lines, one a line of standard output.

    At most :data:`ANNOTATIONS_MAX` of a kind; the last one says how many more there are. What is waived has none.
    """
    by_command: dict[str, list[Finding]] = {}
    for finding in findings(report):
        command = COMMANDS.get(finding.status)
        if command is not None:
            by_command.setdefault(command, []).append(finding)
    # What fails before what is not decided, and both in the policy's order.
    order = list(COMMANDS)
    ranked = {command: sorted(found, key=lambda one: order.index(one.status)) for command, found in by_command.items()}
    return tuple(line for command, found in ranked.items() for line in _lines(command, found))


def _lines(command: str, found: list[Finding]) -> Iterator[str]:
    shown = found if len(found) <= ANNOTATIONS_MAX else found[: ANNOTATIONS_MAX - 1]
    for finding in shown:
        rule = finding.rule
        undecided = "not decided: " if finding.outcome == "inconclusive" else ""
        message = clean(f"{undecided}{finding.place}: {finding.reason}", limit=MESSAGE_MAX)
        at = {"file": clean(rule.file), "line": str(max(rule.line, 1))} if rule.file else {}
        yield _command(command, message, **at, title=f"edgeleak: {clean(rule.name)}")
    if len(shown) < len(found):
        more = f"{len(found) - len(shown)} more findings: see summary.md or report.html of the run"
        yield _command(command, more, title="edgeleak")


def _command(command: str, message: str, **properties: str) -> str:
    settings = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {settings}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
