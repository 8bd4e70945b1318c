"""A number with its interval: the only way a number leaves this room."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Estimate"]


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

    def holds(self, value: float) -> bool:
        """Whether the interval contains ``value``."""
        return self.low <= value <= self.high

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        row: dict[str, object] = {
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "n": self.n,
            "method": self.method,
            "level": self.level,
            "resolvable": self.resolvable,
        }
        if self.needed_n is not None:
            row["needed_n"] = self.needed_n
        return row


def _finite(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None
