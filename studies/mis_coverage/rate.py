"""How often the interval of the indicator r holds the true r, and whether equal quantizers are told apart.

``python -m studies.mis_coverage.rate 400`` prints both tables on their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.mis import bootstrap_ci
from harness.stats import clopper_pearson
from harness.types import Estimate, FloatArray
from studies.kit.markdown import interval, number, paragraphs, table

__all__ = ["CASES", "PAIRS", "Pair", "RateCase", "difference_rows", "difference_table", "rows", "table_of"]

Row = dict[str, Any]
# Halvings of the cross-fit. The interval has no use for them.
SPLITS = 1
DRAWS = 300
NOISE: dict[str, Callable[[np.random.Generator, tuple[int, int]], FloatArray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "student": lambda rng, shape: np.asarray(rng.standard_t(3, shape) / np.sqrt(3.0)),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1.0,
}


@dataclass(frozen=True)
class RateCase:
    """One law of losses.

    Args:
        name: what it is, for the page.
        gaps: signal-to-noise ratio of each rival; the smallest makes the true r.
        points: evaluation records N.
        noise: law of the loss differences about their mean: ``normal``, ``student`` (three degrees of freedom) or
            ``exponential``, each of variance one.
        correlation: of the rivals' differences.
        method: ``gauss`` or ``chernoff``.
    """

    name: str
    gaps: tuple[float, ...]
    points: int
    noise: str = "normal"
    correlation: float = 0.0
    method: str = "gauss"

    @property
    def r(self) -> float:
        """The true indicator."""
        return 0.5 * min(self.gaps) ** 2

    def losses(self, rng: np.random.Generator) -> FloatArray:
        """Losses of the best candidate (zero) and its rivals on fresh records, ``[K, N]``."""
        draw = NOISE[self.noise]
        noise = np.sqrt(1.0 - self.correlation) * draw(rng, (len(self.gaps), self.points))
        if self.correlation > 0.0:
            noise += np.sqrt(self.correlation) * draw(rng, (1, self.points))
        return np.concatenate([np.zeros((1, self.points)), noise + np.asarray(self.gaps)[:, None]])


CASES = (
    *(RateCase(f"{k} equal", (0.15,) * k, 1000) for k in (1, 31)),
    RateCase("255 equal", (0.15,) * 255, 1000),
    *(RateCase(f"{k} equal", (0.15,) * k, 4000) for k in (1, 31, 255)),
    RateCase("tie of two", (0.0,), 1000),
    RateCase("tie of two, 31 farther", (0.0, *(0.1,) * 31), 1000),
    RateCase("tie of 32", (0.0,) * 31, 1000),
    *(RateCase(f"one close, {k} far", (0.1, *(0.15,) * k), points) for points in (1000, 4000) for k in (63, 255)),
    *(RateCase("heavy tails, 3 equal", (0.15,) * 3, points, noise="student") for points in (1000, 4000)),
    *(RateCase("heavy tails, one close, 2 far", (0.1, 0.15, 0.15), points, noise="student") for points in (1000, 4000)),
    RateCase("31 equal, correlated .9", (0.15,) * 31, 1000, correlation=0.9),
    RateCase("one close, 63 far, correlated .9", (0.1, *(0.15,) * 63), 1000, correlation=0.9),
    RateCase("skewed losses, 3 equal", (0.15,) * 3, 1000, noise="exponential"),
    RateCase("exact exponent, 3 equal", (0.15,) * 3, 1000, method="chernoff"),
)


@dataclass(frozen=True)
class Pair:
    """Two quantizers of the same true r.

    Args:
        name: what they are, for the page.
        first: gaps of the first's rivals.
        second: gaps of the second's rivals.
        points: evaluation records N.
        shared: share of the losses' variance that the two quantizers have in common, rival by rival.
    """

    name: str
    first: tuple[float, ...]
    second: tuple[float, ...]
    points: int
    shared: float = 0.0

    def losses(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Losses of both on the same fresh records."""
        rivals = max(len(self.first), len(self.second))
        common = rng.standard_normal((rivals, self.points))
        out = {}
        for name, gaps in (("first", self.first), ("second", self.second)):
            own = rng.standard_normal((len(gaps), self.points))
            noise = np.sqrt(self.shared) * common[: len(gaps)] + np.sqrt(1.0 - self.shared) * own
            out[name] = np.concatenate([np.zeros((1, self.points)), noise + np.asarray(gaps)[:, None]])
        return out


PAIRS = (
    Pair("one rival each", (0.15,), (0.15,), 1000),
    Pair("one rival each, losses 90% shared", (0.15,), (0.15,), 1000, shared=0.9),
    Pair("31 equal, one", (0.15,) * 31, (0.15,), 1000),
    Pair("one close and 63 far, one", (0.1, *(0.15,) * 63), (0.1,), 4000),
    Pair("one close and 63 far, the same", (0.1, *(0.15,) * 63), (0.1, *(0.15,) * 63), 4000, shared=0.5),
    Pair("both tied", (0.0,), (0.0, 0.0, 0.0), 1000),
)


def rows(
    *,
    audits: int,
    seed: int = 0,
    cases: Iterable[RateCase] = CASES,
    progress: Callable[[str], object] = str,
) -> list[Row]:
    """For each case: coverage of the 95% interval over simulated audits, misses by side, medians over the truth.

    Args:
        audits: simulated audits a case, each with fresh records.
        seed: of the records and resamples.
        cases: the laws.
        progress: called with the name of each case before it begins.

    Returns:
        A row a case. A miss is unsafe where the whole interval lies above the true r: it claims security that there
        is not.
    """
    found = []
    for case in cases:
        progress(f"{case.name}, N = {case.points}")
        estimates = [_audit(case, np.random.default_rng([seed, i]), seed=i) for i in range(audits)]
        value, low, high = np.array([(e.value, e.low, e.high) for e in estimates]).T
        unsafe, safe = int((low > case.r).sum()), int((high < case.r).sum())
        found.append(
            {
                "case": case.name,
                "rivals": len(case.gaps),
                "points": case.points,
                "r": case.r,
                "coverage": _share(audits - unsafe - safe, audits).to_json(),
                "unsafe": unsafe,
                "safe": safe,
                "audits": audits,
                **{
                    key: float(np.median(ends)) / case.r if case.r > 0 else None
                    for key, ends in (("median", value), ("median_low", low), ("median_high", high))
                },
            }
        )
    return found


def table_of(found: Sequence[Row]) -> str:
    """The coverage of r as a Markdown table."""
    return table(
        (
            "losses",
            "N",
            "true r",
            "coverage",
            "above the truth (unsafe)",
            "below it (safe)",
            "median r / true",
            "median ends / true",
        ),
        (
            (
                row["case"],
                f"{row['points']:,}",
                number(row["r"]),
                interval(Estimate.from_json(row["coverage"])),
                f"{row['unsafe']} of {row['audits']}",
                f"{row['safe']} of {row['audits']}",
                number(row["median"], 2),
                "-" if row["median"] is None else f"{row['median_low']:.2f} to {row['median_high']:.2f}",
            )
            for row in found
        ),
    )


def difference_rows(*, audits: int, seed: int = 0, pairs: Iterable[Pair] = PAIRS) -> list[Row]:
    """For pairs of quantizers of equal r: how often the paired interval says that one is safer, by side."""
    found = []
    for pair in pairs:
        sides, chances = np.zeros(2, dtype=int), 0.0
        for i in range(audits):
            result = bootstrap_ci(pair.losses(np.random.default_rng([seed, i])), draws=DRAWS, splits=SPLITS, seed=i)
            difference = result.differences["first", "second"]
            sides += difference.low > 0.0, difference.high < 0.0
            chances += result.ranks["first"][0] / audits
        first, second = map(int, sides)
        found.append(
            {
                "pair": pair.name,
                "points": pair.points,
                "first_safer": first,
                "second_safer": second,
                "audits": audits,
                "chance_first": chances,
            }
        )
    return found


def difference_table(found: Sequence[Row]) -> str:
    """Wrong verdicts on equal quantizers as a Markdown table."""
    return table(
        ("quantizers of equal r", "N", "first called safer", "second called safer", "mean chance that the first is"),
        (
            (
                row["pair"],
                f"{row['points']:,}",
                f"{row['first_safer']} of {row['audits']}",
                f"{row['second_safer']} of {row['audits']}",
                number(row["chance_first"], 2),
            )
            for row in found
        ),
    )


def _audit(case: RateCase, rng: np.random.Generator, *, seed: int) -> Estimate:
    found = bootstrap_ci({"q": case.losses(rng)}, draws=DRAWS, splits=SPLITS, seed=seed, method=case.method)
    return found.intervals["q"]


def _share(hits: int, trials: int) -> Estimate:
    return Estimate(hits / trials, *clopper_pearson(hits, trials), trials, "clopper-pearson")


if __name__ == "__main__":
    number_of_audits = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(
        paragraphs(
            table_of(rows(audits=number_of_audits, progress=lambda name: print(name, file=sys.stderr, flush=True))),
            difference_table(difference_rows(audits=number_of_audits)),
        )
    )
