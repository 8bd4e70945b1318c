"""The report's tables of variants, of the MIS indicator and of times: what is shown where."""

from __future__ import annotations

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, clean
from harness.report._table import Cell, Column, Row, Table, estimate_cell, make_table, number_cell, text_cell
from harness.report.model import ArtifactRow, Report
from harness.results import QuantizerMis, Result

__all__ = ["artifact_table", "mis_distinct", "mis_n_r", "mis_rate", "mis_status", "mis_table", "timing_table"]


def artifact_table(report: Report) -> Table | None:
    """Variant x runtime: size, accuracy, latency, parity and leakage; None where there is none."""
    rows = report.artifact_rows()
    if not rows:
        return None
    return make_table(
        "Variants and runtimes",
        _ARTIFACT_COLUMNS,
        rows,
        is_control=lambda row: row.artifact.is_control,
        keep_empty=report.names_missing_parts,
    )


def _size_cell(row: ArtifactRow) -> Cell:
    size = row.artifact.size_bytes
    return number_cell(_format.bytes_text(size), "" if size is None else f"SHA-256 {clean(row.artifact.sha256)}")


def _distinct_cell(row: ArtifactRow) -> Cell:
    """Distinct values over the tensors: one number where they agree, else from least to most."""
    counts = sorted(set(row.artifact.distinct_values))
    if not counts:
        return number_cell(NOT_AVAILABLE)
    text = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return number_cell(text, f"over {len(row.artifact.weights)} weight tensors")


def _latency_cell(row: ArtifactRow) -> Cell:
    latency = row.artifact.latency
    return estimate_cell(latency.p50_ns if latency else None, _format.duration)


def _parity_cell(row: ArtifactRow) -> Cell:
    parity = row.artifact.parity
    if parity is None:
        return Cell(NOT_AVAILABLE)
    text = f"max {parity.max_abs_difference:.1e}, {parity.flips} of {parity.n} flips"
    return Cell(text, f"against {clean(parity.reference)}")


def _strongest_cell(result: Result | None) -> Cell:
    if result is None:
        return number_cell(NOT_AVAILABLE)
    return number_cell(_format.interval(result.headline), f"{clean(result.attack)}; {_format.hint(result.headline)}")


_ARTIFACT_COLUMNS: tuple[Column[ArtifactRow], ...] = (
    Column("Variant", lambda row: text_cell(row.name)),
    Column("Runtime", lambda row: text_cell(row.artifact.runtime)),
    Column("How its answers were read", lambda row: text_cell(row.artifact.outputs), optional=True),
    Column("Size", _size_cell),
    Column("Zipped", lambda row: number_cell(_format.bytes_text(row.artifact.zip_bytes))),
    Column("Zeros", lambda row: number_cell(_format.share(row.artifact.share_zeros))),
    Column("Distinct values", _distinct_cell),
    Column("Accuracy, members", lambda row: estimate_cell(row.artifact.accuracy_members, _format.percent)),
    Column("Accuracy, non-members", lambda row: estimate_cell(row.artifact.accuracy_nonmembers, _format.percent)),
    Column("Latency p50", _latency_cell),
    Column("Parity", _parity_cell),
    Column("Best NR AUC", lambda row: _strongest_cell(row.nr)),
    Column("Best SR AUC", lambda row: _strongest_cell(row.sr)),
)


def mis_table(report: Report) -> Table | None:
    """Quantizers from the safest to the one that leaks most, or None where none was probed."""
    if report.mis is None or not report.mis.quantizers:
        return None
    ranked = report.mis.ranked()
    table = make_table("MIS: quantizers, safest first", _QUANTIZER_COLUMNS, ranked)
    ranks = (number_cell(str(rank) if row.r.resolvable else "–") for rank, row in enumerate(ranked, 1))
    rows = tuple(Row((rank, *row.cells)) for rank, row in zip(ranks, table.rows, strict=True))
    return Table(table.caption, ("Rank", *table.columns), rows)


def mis_distinct(row: QuantizerMis) -> str:
    """How many of a quantizer's candidates differ, ``11 of 12``."""
    return f"{row.k_eff} of {row.k}" if row.k else NOT_AVAILABLE


def mis_status(row: QuantizerMis) -> str:
    """How far to trust a quantizer's figures: the status, then the flags."""
    return ", ".join(map(clean, (row.status, *row.flags)))


def mis_rate(row: QuantizerMis) -> str:
    """A quantizer's r with its interval; ``not probed`` where it has none."""
    return _format.interval(row.r, _format.short) if row.r.resolvable else "not probed"


def mis_n_r(row: QuantizerMis) -> str:
    """``n * r``; ``n/a`` where either is not known."""
    return _format.short(row.n_r) if row.n else NOT_AVAILABLE


_QUANTIZER_COLUMNS: tuple[Column[QuantizerMis], ...] = (
    Column("Quantizer", lambda row: text_cell(row.quantizer)),
    Column("r, nats per record", lambda row: number_cell(mis_rate(row))),
    Column("n · r", lambda row: number_cell(mis_n_r(row))),
    Column("log Δ", lambda row: number_cell(_format.short(row.best_log_delta))),
    Column("MIS predicted", lambda row: number_cell(_format.short(row.mis_predicted))),
    Column("Candidates that differ", lambda row: number_cell(mis_distinct(row))),
    Column("Regime", lambda row: text_cell(row.regime)),
    Column("Status", lambda row: Cell(mis_status(row))),
)


def timing_table(report: Report) -> Table | None:
    """Seconds of each stage, or None where none was timed."""
    columns: tuple[Column[tuple[str, float]], ...] = (
        Column("Stage", lambda item: text_cell(item[0])),
        Column("Time", lambda item: number_cell(_format.seconds(item[1]))),
    )
    return make_table("Time taken", columns, tuple(report.timings.items())) if report.timings else None
