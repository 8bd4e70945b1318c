"""The report's tables of attacks: all of them, what each finds at low rates, increases, and those that did not run.

Every interval of these tables holds at once with all others: the strongest of many attacks is partly strong by luck.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report._increases import answer, by_difference
from harness.report._table import (
    Cell,
    Column,
    Table,
    estimate_cell,
    location,
    make_table,
    number_cell,
    seen_cell,
    text_cell,
)
from harness.report.model import Report, by_auc
from harness.results import Increase, Result, Skipped
from harness.types import Adversary, View

__all__ = ["attack_table", "increase_table", "rate_name", "rate_table", "rates_of", "shown_results", "skipped_table"]

TRAINED_ON = {"shadows": "shadow models", "members": "known members, cross-fitted"}
# From here on only the strongest attacks of each view are shown: nobody reads a thousand rows, and a page has a size.
MOST_ROWS = 1000
SHOWN_PER_VIEW = 3


def shown_results(report: Report) -> tuple[tuple[Result, ...], int]:
    """The results that the page shows, the strongest first, and how many it leaves out."""
    ranked = by_auc(report.attacks.results)
    if len(ranked) <= MOST_ROWS:
        return tuple(ranked), 0
    shown: list[Result] = []
    counts: dict[tuple[object, ...], int] = {}
    for one in ranked:
        view = (one.adversary, one.variants, one.runtime, one.view.device)
        counts[view] = counts.get(view, 0) + 1
        if counts[view] <= SHOWN_PER_VIEW:
            shown.append(one)
    return tuple(shown), len(ranked) - len(shown)


def attack_table(report: Report) -> Table | None:
    """Every attack, the strongest first; None where none has a result."""
    results, left_out = shown_results(report)
    columns: tuple[Column[Result], ...] = (
        *_named(),
        Column("AUC", lambda one: estimate_cell(one.headline)),
        Column("Balanced accuracy", _decision_cell, optional=True),
        Column("AUC minus the same family's on the original", _difference_cell, optional=True),
        Column("Trained on", _training_cell),
        Column("Members / non-members", _records_cell),
    )
    caption = f"The strongest {SHOWN_PER_VIEW} attacks on each view" if left_out else "Every attack"
    if not results:
        return None
    table = make_table(caption, columns, results, is_control=lambda one: one.is_control)
    return table.with_filters("Adversary", "Attack", "Sees", "Runtime", "Device")


def rate_table(report: Report) -> Table | None:
    """What every attack finds at low false-alarm rates, and its bound of epsilon; the largest rate found first."""
    results, _ = shown_results(report)
    rates = rates_of(results)
    if not results or not (rates or any(one.simultaneous.epsilon_lower.is_known for one in results)):
        return None

    def rate_cell(rate: str, result: Result) -> Cell:
        return estimate_cell(result.simultaneous.tpr_at_fpr.get(rate), _format.percent)

    columns: list[Column[Result]] = [
        *_named(),
        *(Column(f"TPR at {rate_name(rate)} FPR", partial(rate_cell, rate), optional=True) for rate in rates),
        Column("ε at least", lambda one: number_cell(_format.at_least(one.simultaneous.epsilon_lower)), optional=True),
    ]
    ranked = sorted(results, key=lambda one: _found(one, rates), reverse=True)
    table = make_table("Every attack at low false-alarm rates", columns, ranked, is_control=lambda one: one.is_control)
    return table.with_filters("Adversary", "Attack", "Sees", "Runtime", "Device")


def _found(result: Result, rates: Sequence[str]) -> tuple[float, ...]:
    """The rates found, that at the lowest false-positive rate first; what is not resolved is lowest."""
    values = [result.simultaneous.tpr_at_fpr.get(rate) for rate in reversed(rates)]
    known = (one.value if one is not None and one.resolvable else -1.0 for one in values)
    return tuple(value if value == value else -1.0 for value in known)


def _named() -> tuple[Column[Result], ...]:
    return (
        Column("Attack", lambda one: text_cell(f"{one.attack} (control)" if one.is_control else one.attack)),
        Column("Adversary", lambda one: Cell(one.adversary)),
        Column("Sees", lambda one: seen_cell(one.view)),
        Column("Runtime", lambda one: text_cell(one.runtime), optional=True),
        Column("Device", lambda one: text_cell(one.view.device), optional=True),
    )


def rates_of(results: Iterable[Result]) -> list[str]:
    """The false-positive rates of some results, larger rates first; what is no number comes last."""
    return sorted({rate for result in results for rate in result.tpr_at_fpr}, key=_rate_key)


def _rate_key(rate: str) -> tuple[float, str]:
    try:
        return -float(rate), rate
    except ValueError:
        return 1.0, rate


def rate_name(rate: str) -> str:
    """A false-positive rate as per cent."""
    try:
        return f"{100 * float(rate):g}%"
    except ValueError:
        return clean(rate)


def _decision_cell(result: Result) -> Cell:
    """The balanced accuracy, marked where its cut cannot be trusted; a sentence below the table says why."""
    estimate = result.simultaneous.balanced_accuracy
    shown = estimate if estimate.is_known else None
    return estimate_cell(shown, _format.percent, note="cut not to be trusted" if result.cut_note else "")


def _difference_cell(result: Result) -> Cell:
    """The paired difference, with the attack that is subtracted."""
    difference = result.simultaneous.versus_original
    if result.versus_attack is None or difference is None:
        return number_cell(NOT_AVAILABLE)
    other = "" if result.versus_attack == result.attack else f"minus {clean(result.versus_attack)}"
    return estimate_cell(difference, _format.signed, note=other)


def _training_cell(result: Result) -> Cell:
    """What the attack learned from, the references that it saw, and, below, what it chose there."""
    text = TRAINED_ON.get(result.trained_on) or clean(result.trained_on)
    if result.references:
        text += f"; {_format.counted(result.references, 'reference')}"
    return Cell(text, note=_format.chosen(result.chosen))


def _records_cell(result: Result) -> Cell:
    counts = (result.n_members, result.n_nonmembers)
    return number_cell(" / ".join(_format.whole(count or None) for count in counts))


def increase_table(report: Report) -> Table | None:
    """The strongest attack of each view against the strongest on the original alone; None where none was compared."""
    columns: tuple[Column[Increase], ...] = (
        Column("Sees", lambda one: seen_cell(one.view)),
        Column("Adversary", lambda one: Cell(one.view.adversary)),
        Column("Runtime", lambda one: text_cell(one.view.runtime), optional=True),
        Column("Device", lambda one: text_cell(one.view.device), optional=True),
        Column("AUC, difference", lambda one: estimate_cell(one.simultaneous, _format.signed)),
        Column("Leaks", lambda one: Cell(answer(one))),
        Column("Strongest attack", lambda one: text_cell(f"{one.view.attack}{' (control)' if one.is_control else ''}")),
        Column("Strongest on the original", lambda one: text_cell(one.against)),
    )
    increases = sorted(by_difference(report.attacks.increases), key=lambda one: -one.simultaneous.value_or_lowest)
    if not increases:
        return None
    caption = "The strongest attack of each view against the strongest on the original alone"
    table = make_table(caption, columns, increases, is_control=lambda one: one.is_control)
    return table.with_filters("Adversary", "Sees", "Runtime", "Device", "Leaks")


def skipped_table(report: Report) -> Table | None:
    """Attacks that did not run: one row for each attack and reason, or None where all ran."""
    columns: tuple[Column[list[Skipped]], ...] = (
        Column("Attack", lambda group: text_cell(group[0].attack)),
        Column("Adversary", lambda group: Cell(group[0].adversary)),
        Column("On", _skipped_on),
        Column("Reason", lambda group: text_cell(group[0].reason, limit=REASON_LIMIT)),
    )
    groups: dict[tuple[Adversary, str, str], list[Skipped]] = {}
    for one in report.attacks.skipped:
        groups.setdefault((one.adversary, one.attack, one.reason), []).append(one)
    return make_table("Attacks that did not run", columns, tuple(groups.values())) if groups else None


def _skipped_on(group: Sequence[Skipped]) -> Cell:
    """The views of one attack that were skipped for one reason."""
    names = list(dict.fromkeys(map(_view_name, (one.view for one in group))))
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return Cell(", ".join(names[:12]) + more)


def _view_name(view: View) -> str:
    variants, where = " + ".join(map(clean, view.variants)), location(view)
    return f"{variants} ({where})" if variants and where != NOT_AVAILABLE else variants or where
