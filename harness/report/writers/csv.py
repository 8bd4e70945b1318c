"""The results as a table for spreadsheets and data frames: one row a result, every figure with its interval."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping

from harness.report._attack_tables import rates_of
from harness.report._clean import clean
from harness.report.model import Report
from harness.report.pictures import Curve
from harness.results import Measures, Result
from harness.types import Estimate

__all__ = ["render"]

Cell = str | int | float | None
# Spreadsheets compute a cell that begins with one of these, also after the separator that their language has.
_FORMULA = re.compile(r"(^|[,;|\t\"'])(\s*)(?=[=+\-@＝＋－＠])")


# Whose columns are those of every result.
_NOTHING = Result.from_json({"adversary": "NR", "attack": "none"})


def render(report: Report, _curves: Mapping[str, Curve]) -> str:
    """Comma-separated values with one line of titles; texts are quoted, and no text is a formula.

    A figure has the columns ``F``, ``F_low``, ``F_high``, ``F_n``, ``F_level`` and ``F_method``, and with an interval
    that holds for all figures of the audit at once ``F_low_at_once``, ``F_high_at_once`` and ``F_level_at_once``. What
    is not known is an empty cell.
    """
    import csv

    results = report.attacks.results
    rates = rates_of(results)
    rows = [dict(_row(result, rates)) for result in results]
    titles = list(dict(_row(_NOTHING, rates)))
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow([_inert(title) for title in titles])
    for row in rows:
        writer.writerow([_inert(row[title]) for title in titles])
    return stream.getvalue()


def _row(result: Result, rates: list[str]) -> Iterator[tuple[str, Cell]]:
    view = result.view
    yield "adversary", view.adversary
    yield "attack", _name(view.attack)
    yield "variants", " + ".join(map(clean, view.variants))
    yield "runtime", _name(view.runtime)
    yield "device", _name(view.device)
    yield "is_control", "yes" if result.is_control else "no"
    yield "trained_on", _name(result.trained_on)
    yield "n_members", result.n_members
    yield "n_nonmembers", result.n_nonmembers
    yield "references", result.references
    own, at_once = _figures(result, rates), _figures(result.simultaneous, rates)
    for name, estimate in own.items():
        yield from _columns(name, estimate, at_once[name])
    yield "versus_attack", _name(result.versus_attack or "")


def _figures(measures: Measures, rates: list[str]) -> dict[str, Estimate | None]:
    return {
        "auc": measures.auc,
        "balanced_accuracy": measures.balanced_accuracy,
        **{f"tpr_at_fpr_{_name(rate)}": measures.tpr_at_fpr.get(rate) for rate in rates},
        "epsilon_lower": measures.epsilon_lower,
        "auc_minus_original": measures.versus_original,
    }


def _columns(name: str, own: Estimate | None, at_once: Estimate | None) -> Iterator[tuple[str, Cell]]:
    known = own if own is not None and own.n else None
    yield name, _number(known.value if known else None)
    yield f"{name}_low", _number(known.low if known else None)
    yield f"{name}_high", _number(known.high if known else None)
    yield f"{name}_n", known.n if known else None
    yield f"{name}_level", _number(known.level if known else None)
    yield f"{name}_method", _name(known.method) if known else ""
    wider = at_once if at_once is not None and at_once.n else None
    yield f"{name}_low_at_once", _number(wider.low if wider else None)
    yield f"{name}_high_at_once", _number(wider.high if wider else None)
    yield f"{name}_level_at_once", _number(wider.level if wider else None)


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _name(text: str) -> str:
    """A text that is not ours as one clean line; empty where there is none."""
    return clean(text) if text else ""


def _inert(cell: Cell) -> Cell:
    """The cell, a text with an apostrophe before whatever a spreadsheet would compute."""
    return _FORMULA.sub(r"\1\2'", cell) if isinstance(cell, str) else cell
