"""The correction that makes the intervals of one evaluation hold all at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Self

from harness import fields

__all__ = ["Simultaneous", "bonferroni_growth"]


def bonferroni_growth(level: float, figures: int) -> float:
    """How many times as long the arms of a normal interval are where so many hold at once, by Bonferroni."""
    normal, miss = NormalDist(), 1.0 - level
    return normal.inv_cdf(1.0 - miss / (2.0 * max(1, figures))) / normal.inv_cdf(1.0 - miss / 2.0)


@dataclass(frozen=True)
class Simultaneous:
    """The correction of one family of figures; NaN where a figure is not known.

    Args:
        figures: how many intervals hold at once.
        level: the probability with which they do.
        pointwise: the level that each of them has for that.
        z: the normal quantile of ``pointwise``.
        bonferroni_z: the quantile that ignores that the figures are correlated.
    """

    figures: int
    level: float
    pointwise: float
    z: float
    bonferroni_z: float

    @property
    def gain(self) -> float:
        """By how much an interval is shorter than Bonferroni's, a fraction."""
        return 1.0 - self.z / self.bonferroni_z if self.bonferroni_z > 0.0 else 0.0

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        row: dict[str, object] = {name: fields.finite(value) for name, value in asdict(self).items()}
        return row | {"figures": self.figures}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The correction that :meth:`to_json` wrote; what is missing is not known."""
        level, pointwise, z, bonferroni_z = (
            fields.figure(node, name) for name in ("level", "pointwise", "z", "bonferroni_z")
        )
        return cls(fields.integer(node, "figures") or 0, level, pointwise, z, bonferroni_z)
