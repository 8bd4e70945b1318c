"""The report's tables of attacks: the strongest, all of each adversary, increases, and those that did not run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import get_args

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
    text_cell,
)
from harness.report.model import Report, by_auc
from harness.results import Increase, Measures, Result, Skipped
from harness.types import Adversary, View

__all__ = [
    "attack_tables",
    "increase_table",
    "rate_name",
    "rates_of",
    "skipped_table",
    "strongest_table",
]

ADVERSARY_NAMES: dict[Adversary, str] = {
    "NR": "NR: the adversary sees one model",
    "SR": "SR: the adversary sees the original and one variant",
    "MR": "MR: the adversary sees several variants",
}
TRAINED_ON = {"shadows": "shadow models", "members": "known members, cross-fitted"}


def strongest_table(report: Report) -> Table | None:
    """The strongest attacks of each adversary with the intervals that hold at once; None where none was measured."""
    results = report.strongest()
    columns: tuple[Column[Result], ...] = (
        Column("Attack", lambda r: text_cell(r.attack)),
        Column("Adversary", lambda r: Cell(r.adversary)),
        *_where(),
        Column("AUC, at once", lambda r: estimate_cell(r.headline)),
        *_rates_and_epsilon(results, at_once=True),
    )
    caption = "Strongest attacks of each adversary, with the intervals that hold at once"
    return make_table(caption, columns, results, keep_empty=report.names_missing_parts) if results else None


def attack_tables(report: Report) -> tuple[Table, ...]:
    """One table an adversary, the one that sees least first; the strongest attack first."""
    tables = []
    for adversary in get_args(Adversary):
        results = by_auc(r for r in report.attacks.results if r.adversary == adversary)
        if results:
            tables.append(
                make_table(
                    ADVERSARY_NAMES[adversary],
                    _attack_columns(results),
                    results,
                    is_control=lambda result: result.is_control,
                    keep_empty=report.names_missing_parts,
                )
            )
    return tuple(tables)


def _attack_columns(results: Sequence[Result]) -> tuple[Column[Result], ...]:
    return (
        Column("Attack", lambda r: text_cell(f"{r.attack} (control)" if r.is_control else r.attack)),
        *_where(),
        Column("AUC", lambda r: estimate_cell(r.auc)),
        Column("AUC, at once", lambda r: estimate_cell(r.simultaneous.auc)),
        Column("Balanced accuracy", _decision_cell),
        *_rates_and_epsilon(results, at_once=False),
        Column("AUC minus the same family's on the original", _difference_cell),
        Column("Trained on", _training_cell),
        Column("Members / non-members", _records_cell),
    )


def _where() -> tuple[Column[Result], ...]:
    return (
        Column("Sees", lambda r: _seen(r.view)),
        Column("Runtime", lambda r: Cell(location(r.view))),
    )


def _seen(view: View) -> Cell:
    return text_cell(" + ".join(map(clean, view.variants)), limit=REASON_LIMIT)


def _rates_and_epsilon(results: Sequence[Result], *, at_once: bool) -> Iterator[Column[Result]]:
    """A column for each false-positive rate, and the bound of epsilon."""
    more = ", at once" if at_once else ""

    def measures(result: Result) -> Measures:
        return result.simultaneous if at_once else result

    def rate_cell(rate: str, result: Result) -> Cell:
        return estimate_cell(measures(result).tpr_at_fpr.get(rate), _format.percent)

    def epsilon_cell(result: Result) -> Cell:
        epsilon = measures(result).epsilon_lower
        return number_cell(_format.at_least(epsilon), _format.hint(epsilon))

    for rate in rates_of(results):
        yield Column(f"TPR at {rate_name(rate)} FPR{more}", partial(rate_cell, rate))
    yield Column(f"ε at least{more}", epsilon_cell)


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
    """The balanced accuracy, marked where its cut cannot be trusted; a sentence below the tables says why."""
    estimate = result.balanced_accuracy
    why, note = (clean(result.cut_note, limit=REASON_LIMIT), "cut not to be trusted") if result.cut_note else ("", "")
    hint = "; ".join(filter(None, (_format.hint(estimate), why)))
    return Cell(_format.interval(estimate, _format.percent), hint, numeric=True, note=note)


def _difference_cell(result: Result) -> Cell:
    """The paired difference; its hint names the attack that is subtracted."""
    if result.versus_attack is None or result.versus_original is None:
        return number_cell(NOT_AVAILABLE)
    hint = f"minus {clean(result.versus_attack)} on the original; {_format.hint(result.versus_original)}"
    return number_cell(_format.interval(result.versus_original, _format.signed), hint)


def _training_cell(result: Result) -> Cell:
    """What the attack learned from, the references that it saw, and, below, what it chose there."""
    text = TRAINED_ON.get(result.trained_on) or clean(result.trained_on)
    if result.references:
        text += f"; {_format.counted(result.references, 'reference')}"
    wider = result.design_effect
    hint = f"design effect {wider:g}: its intervals are {wider**0.5:.2f} times as wide" if wider > 1.0 else ""
    return Cell(text, hint, note=_format.chosen(result.chosen))


def _records_cell(result: Result) -> Cell:
    counts = (result.n_members, result.n_nonmembers)
    return number_cell(" / ".join(_format.whole(count or None) for count in counts))


def increase_table(report: Report) -> Table | None:
    """The strongest attack of each view against the strongest on the original alone; None where none was compared."""
    columns: tuple[Column[Increase], ...] = (
        Column("Sees", lambda one: _seen(one.view)),
        Column("Adversary", lambda one: Cell(one.view.adversary)),
        Column("Runtime", lambda one: Cell(location(one.view))),
        Column("Strongest attack", lambda one: text_cell(f"{one.view.attack}{' (control)' if one.is_control else ''}")),
        Column("Strongest on the original", lambda one: text_cell(one.against)),
        Column("AUC, difference", lambda one: estimate_cell(one.difference, _format.signed)),
        Column("Difference, at once", lambda one: estimate_cell(one.simultaneous, _format.signed)),
        Column("Leaks", lambda one: Cell(answer(one))),
    )
    increases = by_difference(report.attacks.increases)
    if not increases:
        return None
    return make_table(
        "The strongest attack of each view against the strongest on the original alone",
        columns,
        increases,
        is_control=lambda one: one.is_control,
        keep_empty=report.names_missing_parts,
    )


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
    names = []
    for skipped in group:
        variants, where = " + ".join(map(clean, skipped.variants)), location(skipped.view)
        names.append(f"{variants} ({where})" if variants and where != NOT_AVAILABLE else variants or where)
    return Cell(", ".join(dict.fromkeys(names)))
