"""The report's tables of files: one row each for a reader who decides, and what each file holds for one who checks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, clean
from harness.report._files import FileRow, files_of, together_of
from harness.report._table import Cell, Column, Table, estimate_cell, make_table, number_cell, text_cell
from harness.report.model import ORIGINAL, Report
from harness.results import ArtifactResult

__all__ = ["content_table", "file_table", "parity_table"]

# Rows of the first table; the rest opens below it.
MOST_ROWS = 24
_WORDS = {"pass": "pass", "fail": "fail", "inconclusive": "not decided"}


def file_table(report: Report) -> tuple[Table | None, Table | None]:
    """One row a file, then several together; and the whole table where the first leaves rows out.

    Where there are many files the first table has those that fail, that are not decided, and that leak most.
    """
    files, together = files_of(report), together_of(report)
    if not files and not together:
        return None, None
    rows = (*files, *together)
    whole = _table("All files", rows, files).with_filters("File", "Runtime", "Device", "Verdict")
    if len(rows) <= MOST_ROWS:
        return _table("The files, with intervals that hold for all attacks at once", rows, files), None
    worst = sorted(files, key=_urgency)[: MOST_ROWS - len(together)]
    caption = (
        f"The {len(worst)} files of {len(files)} to look at first, with intervals that hold for all attacks at once"
    )
    return _table(caption, (*worst, *together), files), whole


def _urgency(row: FileRow) -> tuple[bool, int, float]:
    order = {"fail": 0, "inconclusive": 1}
    return row.is_control, order.get(row.judged.outcome or "", 2), -row.highest


def _table(caption: str, rows: Sequence[FileRow], files: Sequence[FileRow]) -> Table:
    originals = {row.place: row.artifact for row in files if row.variants == (ORIGINAL,)}
    columns: tuple[Column[FileRow], ...] = (
        Column("File", lambda row: Cell(row.name)),
        Column("Runtime", lambda row: text_cell(row.place[0]), optional=True),
        Column("Device", lambda row: text_cell(row.place[1]), optional=True),
        Column("Verdict", _verdict_cell, optional=True),
        Column("Strongest attack, AUC", _alone_cell),
        Column("Change against the original", _change_cell, optional=True),
        Column("With the original too, AUC", _paired_cell, optional=True),
        Column("Size", lambda row: _size_cell(row.artifact), optional=True),
        Column("Accuracy (change)", lambda row: _accuracy_cell(row, originals.get(row.place)), optional=True),
        Column("Latency, median", _latency_cell, optional=True),
    )
    return make_table(caption, columns, rows, is_control=lambda row: row.is_control)


def _size_cell(artifact: ArtifactResult | None) -> Cell:
    size = artifact.size_bytes if artifact else None
    return number_cell(_format.bytes_text(size), sort=size)


def _accuracy_cell(row: FileRow, original: ArtifactResult | None) -> Cell:
    """On non-members, and in points how far from the original's."""
    own = row.artifact.accuracy_nonmembers if row.artifact else None
    if own is None or not math.isfinite(own.value):
        return number_cell(NOT_AVAILABLE)
    text = _format.percent(own.value)
    other = original.accuracy_nonmembers if original else None
    if other is None or row.variants == (ORIGINAL,) or not math.isfinite(other.value):
        return number_cell(text)
    return number_cell(f"{text} ({100 * (own.value - other.value):+.1f})")


def _alone_cell(row: FileRow) -> Cell:
    if row.alone is None:
        return number_cell(NOT_AVAILABLE)
    return estimate_cell(row.alone.headline, note=clean(row.alone.attack))


def _paired_cell(row: FileRow) -> Cell:
    if row.paired is None:
        return number_cell(NOT_AVAILABLE)
    return estimate_cell(row.paired.headline, note=clean(row.paired.attack))


def _change_cell(row: FileRow) -> Cell:
    if row.increase is None:
        return number_cell(NOT_AVAILABLE)
    return estimate_cell(row.increase.simultaneous, _format.signed)


def _latency_cell(row: FileRow) -> Cell:
    timed = row.artifact.latency if row.artifact else None
    if timed is None or not math.isfinite(timed.p50_ns.value):
        return number_cell(NOT_AVAILABLE)
    return number_cell(_format.duration(timed.p50_ns.value), sort=timed.p50_ns.value)


def _verdict_cell(row: FileRow) -> Cell:
    judged = row.judged
    notes = [
        _format.counted(judged.waived, "finding waived", "findings waived") if judged.waived else "",
        _format.counted(judged.warnings, "warning") if judged.warnings else "",
    ]
    note = ", ".join(filter(None, notes))
    if judged.outcome is None:
        return Cell("warned" if judged.warnings else NOT_AVAILABLE, note=note)
    return Cell(_WORDS[judged.outcome], note=note, mark=judged.outcome)


def content_table(report: Report) -> Table | None:
    """What each file holds, counted in it; None where there is no file."""
    files = [one for one in report.artifacts if one.size_bytes is not None or one.sha256 or one.outputs]
    if not files:
        return None
    columns: tuple[Column[ArtifactResult], ...] = (
        Column("File", lambda one: text_cell(f"{one.variant} (control)" if one.is_control else one.variant)),
        *_places(),
        Column("Size", _size_cell),
        Column("Zipped", lambda one: number_cell(_format.bytes_text(one.zip_bytes), sort=one.zip_bytes), optional=True),
        Column("Zeros", lambda one: number_cell(_format.share(one.share_zeros)), optional=True),
        Column("Distinct values", _distinct_cell, optional=True),
        Column("Accuracy, members", lambda one: estimate_cell(one.accuracy_members, _format.percent), optional=True),
        Column(
            "Accuracy, non-members", lambda one: estimate_cell(one.accuracy_nonmembers, _format.percent), optional=True
        ),
        Column("How its answers were read", lambda one: text_cell(one.outputs), optional=True),
        Column("SHA-256", lambda one: text_cell(one.sha256), optional=True),
    )
    caption = "What each file holds; intervals of accuracies hold each by itself"
    return make_table(caption, columns, files, is_control=lambda one: one.is_control)


def parity_table(report: Report) -> Table | None:
    """How far each file's answers lie from those of the model that it was made from; the farthest first."""
    compared = [one for one in report.artifacts if one.parity is not None]
    if not compared:
        return None
    columns: tuple[Column[ArtifactResult], ...] = (
        Column("File", lambda one: text_cell(f"{one.variant} (control)" if one.is_control else one.variant)),
        *_places(),
        Column("Top-1 classes that differ", _flips_cell),
        Column("Largest difference of an output", _difference_cell),
        Column("Compared with", lambda one: text_cell(one.parity.reference if one.parity else "")),
    )
    ranked = sorted(compared, key=lambda one: one.parity.flip_share if one.parity else 0.0, reverse=True)
    return make_table("Parity with the model that each file was made from", columns, ranked)


def _places() -> tuple[Column[ArtifactResult], ...]:
    return (
        Column("Runtime", lambda one: text_cell(one.runtime), optional=True),
        Column("Device", lambda one: text_cell(one.device), optional=True),
    )


def _distinct_cell(artifact: ArtifactResult) -> Cell:
    """Distinct values over the tensors: one number where they agree, else from least to most."""
    counts = sorted(set(artifact.distinct_values))
    if not counts:
        return number_cell(NOT_AVAILABLE)
    text = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return number_cell(text, note=f"{_format.counted(len(artifact.weights), 'tensor')}")


def _flips_cell(artifact: ArtifactResult) -> Cell:
    parity = artifact.parity
    return number_cell(NOT_AVAILABLE if parity is None else f"{parity.flips} of {parity.n}")


def _difference_cell(artifact: ArtifactResult) -> Cell:
    parity = artifact.parity
    return number_cell(NOT_AVAILABLE if parity is None else f"{parity.max_abs_difference:.1e}")
