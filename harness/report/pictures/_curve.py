"""A ROC curve as a picture needs it: a step function from one false positive to all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from harness import fields
from harness.errors import InputError
from harness.types import FloatArray

__all__ = ["Curve", "Steps"]

# Steps that a curve is drawn with at most: finer ones fall into the same pixel, and a page of 10 curves over
# 100k records would weigh 100 MB.
DRAWN_STEPS = 400


@dataclass(frozen=True, eq=False)
class Curve:
    """One ROC curve, with a band where there is one.

    Args:
        label: name in the legend.
        fpr: false-positive rates in ascending order, ``[k]``, shares in 0..1.
        tpr: true-positive rates, ``[k]``.
        low: lower end of the band, ``[k]``, or None.
        high: upper end of the band, ``[k]``, or None.
        n_members: members behind the curve.
        n_nonmembers: non-members behind the curve; no rate below one of them is drawn.

    Raises:
        InputError: lengths differ, a rate lies outside 0..1, or ``fpr`` descends.
    """

    label: str
    fpr: FloatArray
    tpr: FloatArray
    low: FloatArray | None
    high: FloatArray | None
    n_members: int
    n_nonmembers: int

    def __post_init__(self) -> None:
        if min(self.n_members, self.n_nonmembers) < 1:
            raise InputError(f"curve {self.label!r}: it needs at least one member and one non-member")
        for name, values in (("fpr", self.fpr), ("tpr", self.tpr), ("low", self.low), ("high", self.high)):
            if values is None:
                continue
            if values.ndim != 1 or len(values) == 0 or len(values) != len(self.fpr):
                raise InputError(f"curve {self.label!r}/{name}: shape {values.shape}, expected [{len(self.fpr)}]")
            if not ((values >= 0) & (values <= 1)).all():
                raise InputError(f"curve {self.label!r}/{name}: holds values outside 0..1")
        if (np.diff(self.fpr) < 0).any():
            raise InputError(f"curve {self.label!r}/fpr: descends; rates are in ascending order")

    def steps(self) -> Steps:
        """The curve from ``1 / n_nonmembers`` to 1 in at most :data:`DRAWN_STEPS` steps, exact at each of them.

        The value at a rate f is the best TPR among thresholds with FPR <= f, which is how TPR at an FPR is read too:
        nothing is interpolated between thresholds.
        """
        first = 1.0 / self.n_nonmembers
        x = np.unique(np.concatenate([[first], self.fpr[self.fpr > first], [1.0]]))
        if len(x) > DRAWN_STEPS:
            x = np.geomspace(first, 1.0, DRAWN_STEPS)
        # A curve may start above the first drawable rate; before its first threshold nobody is called a member.
        at = np.searchsorted(self.fpr, x * (1 + 1e-12), side="right")

        def stepped(values: FloatArray, before: float) -> FloatArray:
            return np.concatenate([[before], np.maximum.accumulate(values)])[at]

        low = None if self.low is None else stepped(self.low, 0.0)
        high = None if self.high is None else stepped(self.high, float(self.high[0]))
        return Steps(x, stepped(self.tpr, 0.0), low, high)

    def thinned(self) -> Self:
        """The same curve with the points that are drawn, and no others: a file of it stays small."""
        steps = self.steps()
        return replace(self, fpr=steps.x, tpr=steps.y, low=steps.low, high=steps.high)

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "label": self.label,
            "fpr": self.fpr.tolist(),
            "tpr": self.tpr.tolist(),
            "low": None if self.low is None else self.low.tolist(),
            "high": None if self.high is None else self.high.tolist(),
            "n_members": self.n_members,
            "n_nonmembers": self.n_nonmembers,
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The curve that :meth:`to_json` wrote.

        Raises:
            InputError: it is not a curve, or was damaged.
        """

        def rates(key: str) -> FloatArray:
            return np.array([np.nan if rate is None else rate for rate in fields.numbers(node, key)])

        return cls(
            label=fields.text(node, "label"),
            fpr=rates("fpr"),
            tpr=rates("tpr"),
            low=rates("low") if node.get("low") is not None else None,
            high=rates("high") if node.get("high") is not None else None,
            n_members=fields.integer(node, "n_members") or 0,
            n_nonmembers=fields.integer(node, "n_nonmembers") or 0,
        )


@dataclass(frozen=True, eq=False)
class Steps:
    """A curve ready to be drawn with steps: ``y`` holds from its ``x`` to the next."""

    x: FloatArray
    y: FloatArray
    low: FloatArray | None
    high: FloatArray | None
