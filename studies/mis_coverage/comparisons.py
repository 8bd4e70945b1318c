"""Whether two quantizers are told apart: never where they leak alike, and how often where they do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.mis import estimate
from harness.types import Estimate, FloatArray
from studies.kit.markdown import interval, number, table
from studies.mis_coverage.leakage import POINTS, share

__all__ = ["RATIOS", "TWINS", "Twins", "row_of", "table_of"]

Row = dict[str, Any]
RATIOS = (0.25, 4.0)
# What the study does not look at is kept small.
DRAWS, SPLITS = 100, 1


@dataclass(frozen=True)
class Twins:
    """Two quantizers whose rivals' losses are correlated, one with one.

    Args:
        name: what they are.
        first: gap of the first's rivals over their standard deviation.
        second: that of the second's.
        rivals: of either.
        shared: correlation of the two quantizers' losses, candidate by candidate.
    """

    name: str
    first: float
    second: float
    rivals: int = 1
    shared: float = 0.0

    def losses(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Losses of both on the same fresh records."""
        one, other = rng.standard_normal((2, self.rivals + 1, POINTS))
        other = self.shared * one + math.sqrt(1.0 - self.shared**2) * other
        for noise, gap in ((one, self.first), (other, self.second)):
            noise[1:] += gap * math.sqrt(2.0)
        return {"first": one, "second": other}


TWINS = (
    Twins("one rival, both .05", 0.05, 0.05),
    Twins("one rival, both .1, losses correlated .9", 0.1, 0.1, shared=0.9),
    Twins("eight rivals, both .05", 0.05, 0.05, rivals=8),
    Twins("one rival, .05 and .15", 0.05, 0.15),
    Twins("one rival, .05 and .15, losses correlated .9", 0.05, 0.15, shared=0.9),
)


def row_of(twins: Twins, *, audits: int, seed: int = 0, progress: Callable[[str, int, int], object]) -> Row:
    """Simulated audits of two quantizers.

    Returns:
        For every n/N in how many audits the first, and the second, was called safer; and how often the intervals of the
        two leakages lay apart, which is what one could say without pairing.
    """
    sizes = []
    for ratio in RATIOS:
        first = second = apart = 0
        for audit in range(audits):
            progress(f"{twins.name}, n/N {ratio:g}", audit, audits)
            losses = twins.losses(np.random.default_rng([seed, audit]))
            one, other = estimate(losses, n=round(ratio * POINTS), draws=DRAWS, splits=SPLITS, seed=audit)
            verdict = one.comparisons["second"].verdict
            first += verdict == "safer"
            second += verdict == "leaks more"
            logs, others = one.leakage.logs, other.leakage.logs
            apart += logs[2] < others[1] or others[2] < logs[1]
        sizes.append(
            {
                "ratio": ratio,
                "first_safer": share(first, audits).to_json(),
                "second_safer": share(second, audits).to_json(),
                "apart": apart / audits,
            }
        )
    return {"pair": twins.name, "are_equal": twins.first == twins.second, "audits": audits, "sizes": sizes}


def table_of(rows: Sequence[Row]) -> str:
    """Verdicts as a Markdown table."""
    return table(
        ("two quantizers", "they leak", "n / N", "first called safer", "second called safer", "intervals lie apart"),
        (
            (
                row["pair"],
                "alike" if row["are_equal"] else "differently: the second is safer",
                number(size["ratio"]),
                interval(Estimate.from_json(size["first_safer"])),
                interval(Estimate.from_json(size["second_safer"])),
                f"{size['apart']:.1%}",
            )
            for row in rows
            for size in row["sizes"]
        ),
        text=2,
    )
