"""The attack that decides each view: chosen on the shadows, or by a fixed order, and never on the audited records."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.attacks import attack_class
from harness.results import Result
from harness.types import View

__all__ = ["Deciding", "deciding", "strongest"]


@dataclass(frozen=True)
class Deciding:
    """One view's attack.

    Args:
        result: of the attack.
        chosen_on: ``shadows``, or ``order`` where there are none.
    """

    result: Result
    chosen_on: str

    @property
    def view(self) -> View:
        """The view with its attack."""
        return self.result.view


def deciding(results: Iterable[Result]) -> tuple[Deciding, ...]:
    """For each view that ships (adversary, variants, runtime), the attack with the largest AUC on the shadows.

    Without shadows an attack's AUC on what it learned from is one on the audited records, and chooses nothing: then
    the first attack decides that compares with reference models, which knows each record's difficulty, else the first
    of all, in the order in which the audit runs them.
    """
    views: dict[View, list[Result]] = {}
    for result in results:
        if not result.is_control:
            views.setdefault(result.view.of_any_attack, []).append(result)
    return tuple(_decide(of_view) for of_view in views.values())


def strongest(choices: Iterable[Deciding]) -> Deciding | None:
    """Of several views' attacks the one with the largest AUC on the shadows, else the first; None where none is."""
    return max(choices, key=lambda one: _rank(one.result), default=None)


def _decide(results: list[Result]) -> Deciding:
    if any(result.trained_on == "shadows" for result in results):
        return Deciding(max(results, key=_rank), "shadows")
    return Deciding(max(results, key=lambda one: "references" in attack_class(one.attack).needs), "order")


def _rank(result: Result) -> float:
    """The AUC on the shadows; lowest where nothing was learned from any."""
    if result.trained_on != "shadows" or math.isnan(result.shadow_auc):
        return -math.inf
    return result.shadow_auc
