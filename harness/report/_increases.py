"""Whether a view leaks more than the original alone: each increase's answer in words, their order, and all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, get_args

from harness.report import _format
from harness.results import Increase
from harness.types import Adversary

__all__ = ["QUESTION", "Answer", "answer", "by_difference", "increase_sentence"]

Answer = Literal["more", "less", "not resolved"]

QUESTION = "Does a view leak more than the original alone?"


def answer(increase: Increase) -> Answer:
    """What the simultaneous interval says; an end that is not known resolves nothing."""
    estimate = increase.simultaneous
    if estimate.resolvable and estimate.low > 0.0:
        return "more"
    if estimate.resolvable and estimate.high < 0.0:
        return "less"
    return "not resolved"


def by_difference(increases: Iterable[Increase]) -> list[Increase]:
    """The adversary that sees least first, and of each the largest difference first."""
    order = get_args(Adversary)
    return sorted(increases, key=lambda one: (order.index(one.view.adversary), -one.difference.value_or_lowest))


def increase_sentence(increases: Iterable[Increase]) -> str:
    """How many views of what ships leak more and how many less; empty where nothing was compared."""
    counts = Counter(answer(one) for one in increases if not one.is_control)
    total = counts.total()
    if not total:
        return ""
    views, more, less = _format.counted(total, "view"), _leak(counts["more"]), _leak(counts["less"])
    return (
        f"Of {views} of what ships, {more} more than the original alone and {less} less; for {counts['not resolved']} "
        "these records do not say."
    )


def _leak(count: int) -> str:
    return f"{count} {'leaks' if count == 1 else 'leak'}"
