"""The report's tables as plain cells: what is shown where, without a word of HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar, get_args

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report.model import ArtifactRow, Report, by_auc
from harness.results import QuantizerMis, Result, Skipped
from harness.types import Adversary, Estimate, View

__all__ = [
    "Cell",
    "Row",
    "Table",
    "artifact_table",
    "attack_tables",
    "location",
    "mis_distinct",
    "mis_n_r",
    "mis_rate",
    "mis_status",
    "mis_table",
    "skipped_table",
    "timing_table",
]

Item = TypeVar("Item")

ADVERSARY_NAMES: dict[Adversary, str] = {
    "NR": "NR: the adversary sees one model",
    "SR": "SR: the adversary sees the original and one variant",
    "MR": "MR: the adversary sees several variants",
}
TRAINED_ON = {"shadows": "shadow models", "members": "known members, cross-fitted"}


@dataclass(frozen=True)
class Cell:
    """A text, how it was made (shown on hover and to screen readers), and whether it is a number."""

    text: str
    hint: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Row:
    """Cells of one row; a control's row is set apart from findings."""

    cells: tuple[Cell, ...]
    control: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption and columns."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class _Column(Generic[Item]):
    """A column and how its cells are made.

    Args:
        title: its heading.
        cell: an item's cell.
        optional: left out where no item has anything to show, whatever the subject is.
    """

    title: str
    cell: Callable[[Item], Cell]
    optional: bool = False


def _text(value: object, *, limit: int | None = None) -> Cell:
    return Cell(clean(value) if limit is None else clean(value, limit=limit))


def _number(text: str, hint: str = "") -> Cell:
    return Cell(text, hint, numeric=True)


def _estimate(estimate: Estimate | None, style: Callable[[float], str] = _format.ratio) -> Cell:
    return _number(_format.interval(estimate, style), _format.hint(estimate))


def _table(
    caption: str,
    columns: Sequence[_Column[Item]],
    items: Sequence[Item],
    *,
    is_control: Callable[[Item], bool] = lambda _item: False,
    keep_empty: bool = True,
) -> Table:
    """The table of these items; columns without any content are left out where they are optional, or all may be."""
    cells = [[column.cell(item) for item in items] for column in columns]
    kept = [
        number
        for number, column in enumerate(columns)
        if (keep_empty and not column.optional) or any(cell.text != NOT_AVAILABLE for cell in cells[number])
    ]
    rows = tuple(
        Row(tuple(cells[number][line] for number in kept), is_control(item)) for line, item in enumerate(items)
    )
    return Table(caption, tuple(columns[number].title for number in kept), rows)


def location(view: View) -> str:
    """Where a view's variants run: the runtime and, where several were asked, the device."""
    return ", ".join(clean(part) for part in (view.runtime, view.device) if part) or NOT_AVAILABLE


def artifact_table(report: Report) -> Table | None:
    """Variant x runtime: size, accuracy, latency, parity and leakage; None where there is none."""
    rows = report.artifact_rows()
    if not rows:
        return None
    return _table(
        "Variants and runtimes",
        _ARTIFACT_COLUMNS,
        rows,
        is_control=lambda row: row.artifact.is_control,
        keep_empty=report.names_missing_parts,
    )


def _size_cell(row: ArtifactRow) -> Cell:
    size = row.artifact.size_bytes
    return _number(_format.bytes_text(size), "" if size is None else f"SHA-256 {clean(row.artifact.sha256)}")


def _distinct_cell(row: ArtifactRow) -> Cell:
    """Distinct values over the tensors: one number where they agree, else from least to most."""
    counts = sorted(set(row.artifact.distinct_values))
    if not counts:
        return _number(NOT_AVAILABLE)
    text = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return _number(text, f"over {len(row.artifact.weights)} weight tensors")


def _latency_cell(percentile: str, row: ArtifactRow) -> Cell:
    latency = row.artifact.latency
    if latency is None:
        return _number(NOT_AVAILABLE)
    runs = _format.whole(latency.runs or None)
    hint = f"{runs} runs, batch {latency.batch_size}, threads {latency.threads}"
    throttled = ", throttled" if latency.throttled else ""
    estimate: Estimate = getattr(latency, percentile)
    return _number(_format.interval(estimate, _format.duration) + throttled, hint)


def _parity_cell(row: ArtifactRow) -> Cell:
    parity = row.artifact.parity
    if parity is None:
        return Cell(NOT_AVAILABLE)
    text = f"max {parity.max_abs_difference:.1e}, {parity.flips} of {parity.n} flips"
    return Cell(text, f"against {clean(parity.reference)}")


def _strongest_cell(result: Result | None) -> Cell:
    if result is None:
        return _number(NOT_AVAILABLE)
    return _number(_format.interval(result.headline), f"{clean(result.attack)}; {_format.hint(result.headline)}")


_ARTIFACT_COLUMNS: tuple[_Column[ArtifactRow], ...] = (
    _Column("Variant", lambda row: _text(row.name)),
    _Column("Runtime", lambda row: _text(row.artifact.runtime)),
    _Column("How its answers were read", lambda row: _text(row.artifact.outputs), optional=True),
    _Column("Size", _size_cell),
    _Column("Zipped", lambda row: _number(_format.bytes_text(row.artifact.zip_bytes))),
    _Column("Zeros", lambda row: _number(_format.share(row.artifact.share_zeros))),
    _Column("Distinct values", _distinct_cell),
    _Column("Accuracy, members", lambda row: _estimate(row.artifact.accuracy_members, _format.percent)),
    _Column("Accuracy, non-members", lambda row: _estimate(row.artifact.accuracy_nonmembers, _format.percent)),
    _Column("Latency p50", partial(_latency_cell, "p50_ns")),
    _Column("Latency p95", partial(_latency_cell, "p95_ns")),
    _Column("Parity", _parity_cell),
    _Column("Best NR AUC", lambda row: _strongest_cell(row.nr)),
    _Column("Best SR AUC", lambda row: _strongest_cell(row.sr)),
)


def attack_tables(report: Report) -> tuple[Table, ...]:
    """One table an adversary, the one that sees least first; the strongest attack first."""
    tables = []
    for adversary in get_args(Adversary):
        results = by_auc(r for r in report.attacks.results if r.adversary == adversary)
        if results:
            tables.append(
                _table(
                    ADVERSARY_NAMES[adversary],
                    _attack_columns(results),
                    results,
                    is_control=lambda result: result.is_control,
                    keep_empty=report.names_missing_parts,
                )
            )
    return tuple(tables)


def _attack_columns(results: Iterable[Result]) -> tuple[_Column[Result], ...]:
    def rate_cell(rate: str, result: Result) -> Cell:
        return _estimate(result.tpr_at_fpr.get(rate), _format.percent)

    rates = sorted({rate for result in results for rate in result.tpr_at_fpr}, key=_rate_key)
    return (
        _Column("Attack", lambda r: _text(f"{r.attack} (control)" if r.is_control else r.attack)),
        _Column("Sees", lambda r: _text(" + ".join(map(clean, r.variants)), limit=REASON_LIMIT)),
        _Column("Runtime", lambda r: Cell(location(r.view))),
        _Column("AUC", lambda r: _estimate(r.auc)),
        _Column("AUC, all attacks at once", lambda r: _estimate(r.simultaneous.auc)),
        _Column("Balanced accuracy", lambda r: _estimate(r.balanced_accuracy, _format.percent)),
        *(_Column(f"TPR at {_rate_name(rate)} FPR", partial(rate_cell, rate)) for rate in rates),
        _Column("ε at least", lambda r: _number(_format.at_least(r.epsilon_lower), _format.hint(r.epsilon_lower))),
        _Column("AUC against the original's", lambda r: _estimate(r.versus_original, _format.signed)),
        _Column("Trained on", lambda r: Cell(TRAINED_ON.get(r.trained_on) or clean(r.trained_on))),
        _Column("Members / non-members", _records_cell),
    )


def _records_cell(result: Result) -> Cell:
    counts = (result.n_members, result.n_nonmembers)
    return _number(" / ".join(_format.whole(count or None) for count in counts))


def _rate_key(rate: str) -> tuple[float, str]:
    """Larger rates first; what is no number comes last."""
    try:
        return -float(rate), rate
    except ValueError:
        return 1.0, rate


def _rate_name(rate: str) -> str:
    try:
        return f"{100 * float(rate):g}%"
    except ValueError:
        return clean(rate)


def mis_table(report: Report) -> Table | None:
    """Quantizers from the safest to the one that leaks most, or None where none was probed."""
    if report.mis is None or not report.mis.quantizers:
        return None
    ranked = report.mis.ranked()
    table = _table("MIS: quantizers, safest first", _QUANTIZER_COLUMNS, ranked)
    ranks = (_number(str(rank) if row.r.resolvable else "–") for rank, row in enumerate(ranked, 1))
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


_QUANTIZER_COLUMNS: tuple[_Column[QuantizerMis], ...] = (
    _Column("Quantizer", lambda row: _text(row.quantizer)),
    _Column("r, nats per record", lambda row: _number(mis_rate(row))),
    _Column("n · r", lambda row: _number(mis_n_r(row))),
    _Column("log Δ", lambda row: _number(_format.short(row.best_log_delta))),
    _Column("MIS predicted", lambda row: _number(_format.short(row.mis_predicted))),
    _Column("Candidates that differ", lambda row: _number(mis_distinct(row))),
    _Column("Regime", lambda row: _text(row.regime)),
    _Column("Status", lambda row: Cell(mis_status(row))),
)


def skipped_table(report: Report) -> Table | None:
    """Attacks that did not run: one row for each attack and reason, or None where all ran."""
    groups: dict[tuple[Adversary, str, str], list[Skipped]] = {}
    for skipped in report.attacks.skipped:
        groups.setdefault((skipped.adversary, skipped.attack, skipped.reason), []).append(skipped)
    columns: tuple[_Column[list[Skipped]], ...] = (
        _Column("Attack", lambda group: _text(group[0].attack)),
        _Column("Adversary", lambda group: Cell(group[0].adversary)),
        _Column("On", _skipped_on),
        _Column("Reason", lambda group: _text(group[0].reason, limit=REASON_LIMIT)),
    )
    return _table("Attacks that did not run", columns, tuple(groups.values())) if groups else None


def _skipped_on(group: Sequence[Skipped]) -> Cell:
    """The views of one attack that were skipped for one reason."""
    names = []
    for skipped in group:
        variants, where = " + ".join(map(clean, skipped.variants)), location(skipped.view)
        names.append(f"{variants} ({where})" if variants and where != NOT_AVAILABLE else variants or where)
    return Cell(", ".join(dict.fromkeys(names)))


def timing_table(report: Report) -> Table | None:
    """Seconds of each stage, or None where none was timed."""
    columns: tuple[_Column[tuple[str, float]], ...] = (
        _Column("Stage", lambda item: _text(item[0])),
        _Column("Time", lambda item: _number(_format.seconds(item[1]))),
    )
    return _table("Time taken", columns, tuple(report.timings.items())) if report.timings else None
