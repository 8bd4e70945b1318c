"""What a terminal shows of attacks: the strongest, what they find at low rates, increases, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.report import _format, _increases, _words
from harness.report._attack_tables import rate_name, rates_of
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report._table import location
from harness.report.model import SHOWN_PER_ADVERSARY, Report
from harness.report.writers.terminal_table import add_row, compact, new_table
from harness.results import Increase, Result, Skipped
from harness.types import View

__all__ = ["attack_parts", "seen", "skipped_parts", "strongest_parts"]

# More names than this would stretch a row over half a terminal.
NAMED_VARIANTS = 2
# Two intervals fit into 80 columns beside the names.
RATES_PER_TABLE = 2
# The longest words below some headers, which have no hyphen to be broken at.
LEAST_WIDTHS = {"Runtime": len("executorch"), "Leaks": len("not resolved"), "Strongest": len("Strongest")}


def attack_parts(report: Report) -> list[RenderableType]:
    """Tables of the strongest attacks and of the largest increases, and the sentences about them."""
    results = report.strongest()
    parts: list[RenderableType] = []
    if sentence := _words.exposure_sentence(report):
        parts.append(_line(sentence))
    if results:
        parts += [_strongest(results), *_rates(results)]
    parts += _increased(report.attacks.increases)
    parts += map(_line, (*_chosen(results), *_words.cut_sentences(results), *_words.family_sentences(report)))
    if report.attacks.results or report.attacks.null is not None:
        parts.append(_line(f"Null calibration: {_words.null_sentence(report)}"))
    return parts


def strongest_parts(report: Report) -> list[RenderableType]:
    """The strongest attacks alone, and what the null calibration says of all."""
    results = report.strongest()
    null = _line(f"Null calibration: {_words.null_sentence(report)}")
    return [_strongest(results), *_rates(results), null] if results else [null]


def skipped_parts(skipped: Sequence[Skipped]) -> list[RenderableType]:
    """Why attacks did not run, one line a reason."""
    if not skipped:
        return []
    reasons: dict[str, dict[str, int]] = {}
    for one in skipped:
        attacks = reasons.setdefault(one.reason, {})
        attacks[one.attack] = attacks.get(one.attack, 0) + 1
    head = "1 attack did not run:" if len(skipped) == 1 else f"{len(skipped)} attacks did not run:"
    return [_line(head), *(_line(f"- {_of_views(names)}: {_reason(why)}") for why, names in reasons.items())]


def _of_views(attacks: dict[str, int]) -> str:
    return ", ".join(f"{clean(name)} ({_format.counted(views, 'view')})" for name, views in attacks.items())


def _reason(reason: str) -> str:
    return clean(reason, limit=REASON_LIMIT)


def _line(text: str) -> Text:
    return Text(text, overflow="fold")


def _strongest(results: Sequence[Result]) -> Table:
    title = "Strongest attacks (intervals that hold at once)"
    table, with_place = _named(title, [result.view for result in results], ("AUC", "ε"))
    for r in results:
        add_row(table, *_names(r.view, with_place), compact(r.headline), _format.at_least(r.simultaneous.epsilon_lower))
    return table


def _rates(results: Sequence[Result]) -> list[RenderableType]:
    """What the same attacks find at low false-positive rates; a rate that none resolves is one line."""
    shown, lines = [], []
    for rate in rates_of(results):
        answers = {_rate(result, rate) for result in results}
        if len(answers) == 1 and not any(_is_resolved(result, rate) for result in results):
            why = _format.interval(results[0].simultaneous.tpr_at_fpr.get(rate))
            lines.append(_line(f"TPR at {rate_name(rate)} FPR: {why}"))
        else:
            shown.append(rate)
    tables = [_rate_table(results, shown[i : i + RATES_PER_TABLE]) for i in range(0, len(shown), RATES_PER_TABLE)]
    return [*tables, *lines]


def _rate_table(results: Sequence[Result], rates: Sequence[str]) -> Table:
    columns = [f"TPR at {rate_name(rate)} FPR" for rate in rates]
    table, with_place = _named("The same at low false-positive rates", [result.view for result in results], columns)
    for result in results:
        add_row(table, *_names(result.view, with_place), *(_rate(result, rate) for rate in rates))
    return table


def _rate(result: Result, rate: str) -> str:
    return compact(result.simultaneous.tpr_at_fpr.get(rate), _format.percent)


def _is_resolved(result: Result, rate: str) -> bool:
    estimate = result.simultaneous.tpr_at_fpr.get(rate)
    return estimate is not None and estimate.resolvable


def _named(title: str, views: Sequence[View], numbers: Sequence[str]) -> tuple[Table, bool]:
    """An empty table whose rows begin with a view's names; and whether places are among them."""
    with_place = _has_place(views)
    table = new_table(title, ("Adv.", "Attack", "Sees", *(("Runtime",) if with_place else ())), numbers)
    _keep_whole(table, "Runtime")
    return table, with_place


def _has_place(views: Iterable[View]) -> bool:
    """Whether they are in several places; one alone stands in the table of variants."""
    return len({location(view) for view in views}) > 1


def _keep_whole(table: Table, *headers: str) -> None:
    """Keep words from being broken that have no hyphen."""
    for column in table.columns:
        if column.header in headers:
            column.min_width = LEAST_WIDTHS[str(column.header)]


def _names(view: View, with_place: bool) -> tuple[str, ...]:
    return (view.adversary, clean(view.attack), seen(view), *((location(view),) if with_place else ()))


def seen(view: View) -> str:
    """What an adversary looks at; the page has the whole list."""
    if len(view.variants) <= NAMED_VARIANTS:
        return " + ".join(map(clean, view.variants)) or NOT_AVAILABLE
    return f"{clean(view.variants[0])} + {len(view.variants) - 1} more"


def _chosen(results: Iterable[Result]) -> list[str]:
    """What the strongest attacks chose, one line an attack and choice."""
    choices: dict[tuple[str, str], list[str]] = {}
    for result in results:
        if result.chosen:
            choices.setdefault((clean(result.attack), _format.chosen(result.chosen)), []).append(seen(result.view))
    return [
        f"{attack} chose {choice} (on {', '.join(dict.fromkeys(views))})" for (attack, choice), views in choices.items()
    ]


def _increased(increases: Sequence[Increase]) -> list[RenderableType]:
    """The largest increases of each adversary, controls left out, and how many of all there are."""
    ranked = [one for one in _increases.by_difference(increases) if not one.is_control]
    if not ranked:
        return []
    shown: list[Increase] = []
    for one in ranked:
        if sum(other.view.adversary == one.view.adversary for other in shown) < SHOWN_PER_ADVERSARY:
            shown.append(one)
    with_place = _has_place(one.view for one in shown)
    places = ("Runtime",) if with_place else ()
    table = new_table(
        _increases.QUESTION, ("Sees", *places), ("AUC, difference",), ("Leaks", "Strongest", "On original")
    )
    _keep_whole(table, "Runtime", "Leaks", "Strongest")
    for one in shown:
        place = (location(one.view),) if with_place else ()
        difference = compact(one.simultaneous, _format.signed)
        attacks = (clean(one.view.attack), clean(one.against))
        add_row(table, seen(one.view), *place, difference, _increases.answer(one), *attacks)
    return [table, _line(_increases.increase_sentence(increases))]
