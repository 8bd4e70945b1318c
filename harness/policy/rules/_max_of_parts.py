"""The rule `max` about parts of the records: each class, or each value of a column of groups, by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._found import Found
from harness.policy.rules._judged import Judged
from harness.policy.rules._max import Max
from harness.policy.rules._scope import near, sees
from harness.results import Slice, SlicedView, SliceFindings, SliceResult
from harness.types import Estimate, View, rate_key

__all__ = ["MaxOfParts"]

# Stands for each value.
EACH = "*"
# What the true classes are called as a column.
CLASS = "class"


class MaxOfParts(Max):
    """The attack that decides a view finds no more than the limit about any of the parts that the rule names.

    A part with too few members or non-members to be measured is inconclusive: what leaks about few people is not
    less of a leak.
    """

    def judged(self, rule: GateRule, found: Found) -> list[Judged]:
        """One figure a view and part."""
        return [
            one
            for device, slices in found.slices.items()
            for sliced in slices.views
            if sees(view := replace(sliced.view, device=device or sliced.view.device), rule)
            for one in _of_view(view, sliced, slices, rule)
        ]

    def unanswered(self, rule: GateRule, judged: Sequence[Judged]) -> Iterator[tuple[str, str]]:
        """Also classes and values of which nothing was measured."""
        yield from super().unanswered(rule, judged)
        parts = {one.part for one in judged}
        column, values = _column(rule), _values(rule)
        for value in values:
            if value != EACH and f"{column} {value}" not in parts:
                yield ("classes" if rule.classes is not None else "group"), value

    def nothing(self, rule: GateRule, found: Found) -> str:
        """Why nothing answers the rule."""
        if not found.slices:
            return "this audit measured no parts of the records"
        return f"no part of the records that this audit measured is of {_column(rule)} {', '.join(_values(rule))}"

    def unknown(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Also columns and values that the records do not have."""
        yield from super().unknown(rule, audit)
        if audit.parts is None:
            return
        column, key = _column(rule), "classes" if rule.classes is not None else "group"
        if column not in audit.parts:
            columns = [one for one in audit.parts if one != CLASS]
            yield f"{key}: {column!r} is no column of groups of this audit; {near(column, columns)}"
            return
        for value in _values(rule):
            if value not in (EACH, *audit.parts[column]):
                yield f"{key}: no audited record has {column} {value!r}; {near(value, audit.parts[column])}"


def _of_view(view: View, sliced: SlicedView, slices: SliceFindings, rule: GateRule) -> Iterator[Judged]:
    for one in sliced.slices:
        if _is_about(one.part, rule):
            yield Judged(view, *_figures(one, rule), part=_name(one.part), counts=_counts(one.part))
    for part in slices.too_small:
        if _is_about(part, rule):
            yield Judged(view, None, None, part=_name(part), counts=_counts(part))


def _figures(one: SliceResult, rule: GateRule) -> tuple[Estimate | None, Estimate | None]:
    if rule.at_fpr is None:
        return one.auc, one.simultaneous_auc
    rate = rate_key(rule.at_fpr)
    return one.tpr_at_fpr.get(rate), one.simultaneous_tpr.get(rate)


def _is_about(part: Slice, rule: GateRule) -> bool:
    return part.column == _column(rule) and (part.value in _values(rule) or EACH in _values(rule))


def _column(rule: GateRule) -> str:
    return CLASS if rule.group is None else rule.group.column


def _values(rule: GateRule) -> tuple[str, ...]:
    return (rule.classes or ()) if rule.group is None else rule.group.value


def _name(part: Slice) -> str:
    return f"{part.column} {part.value}"


def _counts(part: Slice) -> tuple[int, int]:
    return part.n_members, part.n_nonmembers
