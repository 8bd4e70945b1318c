"""The limits of rules: each is a number, and one that some result can exceed and some result can stay within."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MAX", "MAX_FLIP_SHARE", "MAX_INCREASE", "Range", "check_limit"]


@dataclass(frozen=True)
class Range:
    """What a limit may be.

    Args:
        low: the lowest.
        high: what it has to stay below; infinite where any number will do.
        open_low: whether the lowest itself is refused.
        below: why a lower one is refused; empty where the range speaks for itself.
        above: why a higher one is refused.
    """

    low: float
    high: float = math.inf
    open_low: bool = False
    below: str = ""
    above: str = ""

    def problem(self, limit: float) -> str | None:
        """What is wrong with a limit, and what is allowed; None where nothing is."""
        if not math.isfinite(limit):
            return f"{limit} is no limit; {self.allowed}"
        if limit < self.low or (self.open_low and limit <= self.low):
            return f"{limit:g} is too low{self.below and ': ' + self.below}; {self.allowed}"
        if limit >= self.high:
            return f"{limit:g} is too high{self.above and ': ' + self.above}; {self.allowed}"
        return None

    @property
    def allowed(self) -> str:
        """What is allowed, as part of a sentence."""
        if math.isinf(self.high):
            return f"give a number of {self.low:g} or more"
        low = f"above {self.low:g}" if self.open_low else f"of {self.low:g} or more"
        return f"give a number {low} and below {self.high:g}"


_BY_ALL = "every result stays within it"
_GUESSING = Range(0.5, 1.0, below="a model that leaks nothing has 0.5", above=_BY_ALL)
# Metric -> the limits that `max` may have for it. A true-positive rate also has its false-positive rate to respect.
MAX: Mapping[str, Range] = {
    "auc": _GUESSING,
    "balanced_accuracy": _GUESSING,
    "tpr_at_fpr": Range(0.0, 1.0, open_low=True, above=_BY_ALL),
    "epsilon_lower": Range(0.0, below="no epsilon is below 0"),
    "mis_delta": Range(0.0, 1.0, open_low=True, above=_BY_ALL),
}
MAX_INCREASE = Range(-1.0, 1.0, open_low=True, above="no two AUCs differ by more")
MAX_FLIP_SHARE = Range(0.0, 1.0, above=_BY_ALL)


def check_limit(key: str, metric: str, limit: float, at_fpr: float | None) -> None:
    """Refuse a limit that no result can exceed, or none can stay within.

    Args:
        key: the key that holds it.
        metric: what it limits.
        limit: the number.
        at_fpr: the false-positive rate of a true-positive rate.

    Raises:
        ValueError: the key, what is wrong with the number, and what is allowed.
    """
    allowed = MAX[metric] if key == "max" else MAX_INCREASE if key == "max_increase" else MAX_FLIP_SHARE
    if key == "max" and metric == "tpr_at_fpr" and at_fpr is not None:
        allowed = Range(at_fpr, 1.0, below=f"a model that leaks nothing has {at_fpr:g} there", above=_BY_ALL)
    problem = allowed.problem(limit)
    if problem is not None:
        raise ValueError(f"{key}: {problem}")
