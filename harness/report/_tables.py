"""The report's tables as plain cells: what is shown where, without a word of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report import _format, _read
from harness.report._model import ArtifactRow, Result, by_auc, mis_log_delta, mis_ranking

__all__ = [
    "Cell",
    "Row",
    "Table",
    "artifact_table",
    "attack_tables",
    "mis_distinct",
    "mis_status",
    "mis_table",
    "skipped_table",
    "timing_table",
]

Node = Mapping[str, object]

# Order in which the adversaries are shown: the less they see, the earlier.
ADVERSARIES = ("NR", "SR", "MR")
ADVERSARY_NAMES = {
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


def artifact_table(artifacts: Sequence[ArtifactRow]) -> Table:
    """Variant x runtime: what was shipped, how good, how fast, how like its model, how leaky."""
    columns = (
        "Variant", "Runtime", "Size", "Zipped", "Zeros", "Distinct values", "Accuracy, members",
        "Accuracy, non-members", "Latency p50", "Latency p95", "Parity", "Best NR AUC", "Best SR AUC",
    )  # fmt: skip
    return Table("Variants and runtimes", columns, tuple(map(_artifact_row, artifacts)))


def _artifact_row(row: ArtifactRow) -> Row:
    node = row.node
    latency = _read.mapping(node, "latency")
    return Row(
        (
            _name(row.variant, control=row.is_control),
            Cell(row.runtime),
            Cell(_format.bytes_text(_read.number(node, "size_bytes")), f"SHA-256 {_read.text(node, 'sha256')}", True),
            Cell(_format.bytes_text(_read.number(node, "zip_bytes")), numeric=True),
            Cell(_format.share(_read.number(node, "share_zeros")), numeric=True),
            Cell(_distinct(node), _tensors(node), True),
            _percent_cell(node, "accuracy_members"),
            _percent_cell(node, "accuracy_nonmembers"),
            _latency_cell(latency, "p50_ns"),
            _latency_cell(latency, "p95_ns"),
            _parity_cell(_read.mapping(node, "parity")),
            _attack_cell(row.nr),
            _attack_cell(row.sr),
        ),
        control=row.is_control,
    )


def _name(text: str, *, control: bool) -> Cell:
    return Cell(f"{text} (control)" if control else text)


def _distinct(node: Node) -> str:
    """Distinct values over the tensors: one number where they agree, else from least to most."""
    counts = sorted({value for value in _read.numbers(node, "distinct_values") if value is not None})
    if not counts:
        return _read.NOT_AVAILABLE
    return f"{counts[0]:.0f}" if len(counts) == 1 else f"{counts[0]:.0f} to {counts[-1]:.0f}"


def _tensors(node: Node) -> str:
    tensors = _read.number(node, "tensors")
    return "" if tensors is None else f"over {tensors:.0f} weight tensors"


def _percent_cell(node: Node, key: str) -> Cell:
    estimate = _read.estimate(node, key)
    return Cell(_format.interval(estimate, _format.percent), _format.hint(estimate), True)


def _latency_cell(latency: Node, key: str) -> Cell:
    estimate = _read.estimate(latency, key)
    runs, batch, threads = (_format.whole(_read.number(latency, k)) for k in ("runs", "batch_size", "threads"))
    hint = f"{runs} runs, batch {batch}, threads {threads}" if latency else ""
    throttled = ", throttled" if estimate and _read.flag(latency, "throttled") else ""
    return Cell(_format.interval(estimate, _format.duration) + throttled, hint, True)


def _parity_cell(parity: Node) -> Cell:
    difference = _read.number(parity, "max_abs_difference")
    if difference is None:
        return Cell(_read.NOT_AVAILABLE)
    flips, n = (_format.whole(_read.number(parity, key)) for key in ("flips", "n"))
    return Cell(f"max {difference:.1e}, {flips} of {n} flips", f"against {_read.text(parity, 'reference')}")


def _attack_cell(result: Result | None) -> Cell:
    if result is None:
        return Cell(_read.NOT_AVAILABLE, numeric=True)
    return Cell(_format.interval(result.headline), f"{result.attack}; {_format.hint(result.headline)}", True)


def attack_tables(results: Sequence[Result]) -> tuple[Table, ...]:
    """One table an adversary, the strongest attack first."""
    others = sorted({r.adversary for r in results} - set(ADVERSARIES))
    tables = []
    for adversary in (*ADVERSARIES, *others):
        own = by_auc(r for r in results if r.adversary == adversary)
        if own:
            tables.append(_attack_table(ADVERSARY_NAMES.get(adversary, adversary), own))
    return tuple(tables)


def _attack_table(caption: str, results: Sequence[Result]) -> Table:
    rates = sorted({rate for r in results for rate in r.tpr_at_fpr}, key=_rate_key)
    columns = (
        "Attack", "Sees", "Runtime", "AUC", "AUC, all attacks at once", "Balanced accuracy",
        *(f"TPR at {_rate_name(rate)} FPR" for rate in rates), "ε at least", "AUC against the original's",
        "Trained on", "Members / non-members",
    )  # fmt: skip
    return Table(caption, columns, tuple(_attack_row(r, rates) for r in results))


def _attack_row(r: Result, rates: Sequence[str]) -> Row:
    def cell(key: str) -> Cell:
        estimate = getattr(r, key)
        return Cell(_format.interval(estimate), _format.hint(estimate), True)

    tprs = [(r.tpr_at_fpr.get(rate)) for rate in rates]
    return Row(
        (
            _name(r.attack, control=r.is_control),
            Cell(" + ".join(r.variants) or _read.NOT_AVAILABLE),
            Cell(r.runtime),
            cell("auc"),
            cell("auc_simultaneous"),
            Cell(_format.interval(r.balanced_accuracy, _format.percent), _format.hint(r.balanced_accuracy), True),
            *(Cell(_format.interval(tpr, _format.percent), _format.hint(tpr), True) for tpr in tprs),
            Cell(_format.at_least(r.epsilon_lower), _format.hint(r.epsilon_lower), True),
            Cell(_format.interval(r.versus_original, _format.signed), _format.hint(r.versus_original), True),
            Cell(TRAINED_ON.get(r.trained_on, r.trained_on)),
            Cell(f"{_format.whole(r.n_members)} / {_format.whole(r.n_nonmembers)}", numeric=True),
        ),
        control=r.is_control,
    )


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
        return _read.clean(rate)


def mis_table(report: Node) -> Table | None:
    """Quantizers from the safest to the leakiest, or None where none was probed."""
    ranking = mis_ranking(report)
    if not ranking:
        return None
    columns = (
        "Rank", "Quantizer", "r, nats per record", "n · r", "log Δ", "MIS predicted", "Candidates that differ",
        "Regime", "Status",
    )  # fmt: skip
    return Table(
        "MIS: quantizers from the safest down", columns, tuple(_mis_row(i, q) for i, q in enumerate(ranking, 1))
    )


def _mis_row(rank: int, row: Node) -> Row:
    r = _read.estimate(row, "r")
    log_delta = mis_log_delta(row)
    return Row(
        (
            Cell("–" if r is None else str(rank), numeric=True),
            Cell(_read.text(row, "quantizer")),
            Cell(mis_rate(row), numeric=True),
            Cell(_number(row, "n_r"), numeric=True),
            Cell(_read.NOT_AVAILABLE if log_delta is None else _format.short(log_delta), numeric=True),
            Cell(_number(row, "mis_predicted"), numeric=True),
            Cell(mis_distinct(row), numeric=True),
            Cell(_read.text(row, "regime")),
            Cell(mis_status(row)),
        )
    )


def mis_distinct(row: Node) -> str:
    """How many of a quantizer's candidates differ, ``11 of 12``."""
    return " of ".join(_format.whole(_read.number(row, key)) for key in ("k_eff", "k"))


def mis_status(row: Node) -> str:
    """How far to trust a quantizer's figures: the status, then the flags."""
    return ", ".join((_read.text(row, "status"), *_read.strings(row, "flags")))


def mis_rate(row: Node) -> str:
    """A quantizer's r with its interval; ``not probed`` where it has none."""
    r = _read.estimate(row, "r")
    if r is None:
        return "not probed"
    ends = _read.numbers(row, "ci")
    if len(ends) == 2 and None not in ends:
        return f"{r.value:.3g} [{ends[0]:.3g}, {ends[1]:.3g}]"
    return _format.interval(r, _format.short)


def _number(row: Node, key: str) -> str:
    value = _read.number(row, key)
    return _read.NOT_AVAILABLE if value is None else _format.short(value)


def skipped_table(report: Node) -> Table | None:
    """Attacks that could not be made: one row for each attack and reason, or None where all were."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in _read.rows(_read.mapping(report, "attacks"), "skipped"):
        key = (
            _read.text(row, "adversary"),
            _read.text(row, "attack"),
            _read.text(row, "reason", limit=_read.REASON_LIMIT),
        )
        variants = " + ".join(_read.strings(row, "variants"))
        runtime = "" if row.get("runtime") is None else f" ({_read.text(row, 'runtime')})"
        groups.setdefault(key, []).append(variants + runtime if variants else _read.text(row, "runtime"))
    if not groups:
        return None
    rows = tuple(
        Row((Cell(attack), Cell(adversary), Cell(", ".join(dict.fromkeys(where))), Cell(reason)))
        for (adversary, attack, reason), where in groups.items()
    )
    return Table("Attacks that were not made", ("Attack", "Adversary", "On", "Reason"), rows)


def timing_table(report: Node) -> Table | None:
    """Seconds of each stage, or None where none was timed."""
    timings = _read.mapping(report, "timings")
    rows = tuple(
        Row((Cell(_read.clean(str(stage))), Cell(_format.seconds(_read.number(timings, stage)), numeric=True)))
        for stage in timings
    )
    return Table("Time taken", ("Stage", "Time"), rows) if rows else None
