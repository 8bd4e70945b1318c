"""A number with its interval: the only form in which a statistic is passed on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from harness import fields, notebook

__all__ = ["Estimate", "TprEstimate", "rate_key"]


@dataclass(frozen=True)
class Estimate:
    """A value with a confidence interval, the number of records behind it, and how both were made.

    Args:
        value: the point estimate; NaN where ``resolvable`` is False.
        low: lower end of the interval.
        high: upper end of the interval.
        n: records behind the value.
        method: how value and interval were made, e.g. ``delong`` or ``clopper-pearson``.
        level: nominal coverage of the interval.
        resolvable: False where n cannot answer; ``needed_n`` then says how many records would.
        needed_n: records needed, None where the estimate is resolvable.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    level: float = 0.95
    resolvable: bool = True
    needed_n: int | None = None

    @classmethod
    def unknown(cls) -> Self:
        """What stands where no estimate was made: no value, no interval, no records. It satisfies no limit."""
        return cls(math.nan, math.nan, math.nan, 0, "")

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """The estimate that :meth:`to_json` wrote; None where there is none.

        A bare number is a value without an interval; a missing end is NaN. An object without a value is None, unless
        it says that n cannot answer: that is an answer.
        """
        node = value if isinstance(value, Mapping) else {"value": value}
        point, resolvable = fields.number(node, "value"), node.get("resolvable") is not False
        if point is None and resolvable:
            return None
        level = fields.number(node, "level")
        return cls(
            value=math.nan if point is None else point,
            low=fields.figure(node, "low"),
            high=fields.figure(node, "high"),
            n=fields.integer(node, "n") or 0,
            method=fields.text(node, "method"),
            level=0.95 if level is None else level,
            resolvable=resolvable,
            needed_n=fields.integer(node, "needed_n"),
        )

    def __str__(self) -> str:
        """The value and its interval in one line, with the records behind them."""
        if not self.resolvable:
            return f"not resolved with n = {self.n}" + ("" if self.needed_n is None else f"; needs n = {self.needed_n}")
        if not math.isfinite(self.value):
            return "not known"
        method = f", {self.method}" if self.method else ""
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] ({self.level:.3g} level, n = {self.n}{method})"

    def _repr_html_(self) -> str:
        return notebook.block(notebook.sentence(str(self)))

    @property
    def is_known(self) -> bool:
        """Whether there is a value, or the statement that n cannot give one."""
        return math.isfinite(self.value) or not self.resolvable

    @property
    def value_or_lowest(self) -> float:
        """The value to sort by: minus infinity where none is known, since NaN sorts nowhere."""
        return self.value if math.isfinite(self.value) else -math.inf

    def holds(self, value: float) -> bool:
        """Whether the interval contains ``value``."""
        return self.low <= value <= self.high

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        row: dict[str, object] = {
            "value": fields.finite(self.value),
            "low": fields.finite(self.low),
            "high": fields.finite(self.high),
            "n": self.n,
            "method": self.method,
            "level": self.level,
            "resolvable": self.resolvable,
        }
        if self.needed_n is not None:
            row["needed_n"] = self.needed_n
        return row


@dataclass(frozen=True)
class TprEstimate(Estimate):
    """The highest TPR whose FPR does not exceed ``fpr``.

    Args:
        fpr: the largest false-positive rate allowed, a fraction.
        false_positives: non-members at or above the threshold.
        threshold: the realised threshold; +inf where no score may be called a member.
        at_threshold: exact (Clopper-Pearson) interval of the TPR of this very threshold, whatever its own FPR is. It
            is too short for the TPR at ``fpr``.
        tied: share of the non-members that are tied at the score that crosses ``fpr``; 0.0 where none are. Where such
            a tie hides the attack, ``resolvable`` is False and ``needed_n`` None: more records do not help.
    """

    fpr: float = math.nan
    false_positives: int = 0
    threshold: float = math.inf
    at_threshold: tuple[float, float] = (math.nan, math.nan)
    tied: float = 0.0

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return super().to_json() | {
            "fpr": fields.finite(self.fpr),
            "false_positives": self.false_positives,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "at_threshold": [x if math.isfinite(x) else None for x in self.at_threshold],
            "tied": fields.finite(self.tied),
        }

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """The estimate that :meth:`to_json` wrote; None where there is none."""
        estimate = super().from_json(value)
        if estimate is None or not isinstance(value, Mapping):
            return estimate
        threshold = fields.number(value, "threshold")
        ends = [math.nan if end is None else end for end in fields.numbers(value, "at_threshold")]
        return replace(
            estimate,
            fpr=fields.figure(value, "fpr"),
            false_positives=fields.integer(value, "false_positives") or 0,
            threshold=math.inf if threshold is None else threshold,
            at_threshold=(ends[0], ends[1]) if len(ends) == 2 else (math.nan, math.nan),
            tied=fields.number(value, "tied") or 0.0,
        )


def rate_key(fpr: float) -> str:
    """How a false-positive rate is written as a key of results: ``0.01``, the same text for the same number."""
    return repr(float(fpr))
