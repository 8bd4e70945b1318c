"""Gaps that may be true: from those that were seen towards a tie and away from it, along the likeliest way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.mis._joint import JointLaw, log_sum
from harness.mis._multipliers import Redrawn
from harness.types import FloatArray

__all__ = ["Path", "paths", "separation"]

# Length of a step, in standard errors of the gaps; beyond so many steps they become twice as long.
STEP, SHORT_STEPS = 0.25, 16
# The way goes as far as this from what was seen: no gap is so wrong.
FARTHEST = 9.0
# All rivals' gaps below this many standard errors are a tie.
TIED = 0.02
# A gap of zero gives no direction; it is taken for this many standard errors.
LEAST = 0.1
# Where rivals' gaps vary by less than this many times what errors alone make of equal ones, they may be equal.
EQUAL_VARIANCE = 2.0


@dataclass(frozen=True, eq=False)
class Path:
    """Gaps in an order of falling leakage.

    Args:
        gaps: ``[P, K]``; the first are a tie of all rivals.
        places: where each lies, in standard errors from where the way began, ``[P]``, rising.
    """

    gaps: FloatArray
    places: FloatArray

    def at(self, place: float) -> FloatArray:
        """The gaps at a place between two that are known, ``[K]``."""
        upper = int(np.clip(np.searchsorted(self.places, place), 1, len(self.places) - 1))
        below, above = self.places[upper - 1 : upper + 1]
        share = min(1.0, max(0.0, (place - below) / (above - below)))
        return np.asarray((1.0 - share) * self.gaps[upper - 1] + share * self.gaps[upper])


def paths(law: JointLaw, drawn: Redrawn, n: int) -> list[Path]:
    """The ways on which true gaps are looked for. Derived.

    All gaps that are as far from the seen ones as errors go make a set of K - 1 dimensions, too many to search. What
    matters is the leakage, and on the way on which it changes most for the error that it takes (the least favourable
    family of inference on one figure), one dimension is as good as all: to first order in the errors.

    Errors spread gaps that are equal, so that a second way begins at gaps shrunk towards their mean, where the seen
    ones vary so little that they may be equal.

    Args:
        law: of the candidates; its gaps are the seen ones.
        drawn: the errors of their means.
        n: size of the training set.
    """
    rivals = (law.spreads > 0.0) & (np.arange(len(law.means)) != law.best)
    if not rivals.any():
        return []
    seen, spreads = law.means[rivals] / law.spreads[rivals], law.spreads[rivals]
    errors = drawn.errors[:, rivals] / spreads
    unit = math.sqrt(float((errors * errors).mean()))
    begins = [seen]
    noise, variance = float(errors.var(axis=1).mean()), float(seen.var())
    if len(seen) > 1 and variance < EQUAL_VARIANCE * noise:
        kept = max(0.0, 1.0 - noise / variance) if variance > 0.0 else 0.0
        begins.append(np.maximum(0.0, seen.mean() + kept * (seen - seen.mean())))
    directions = law.root[rivals] / spreads[:, None]
    # Sharper than the errors the direction would turn at every step.
    sharpness = min(float(n), 1.0 / unit**2) if unit > 0.0 else float(n)
    out = []
    for begin in begins:
        nearer = _walk(begin, directions, unit, sharpness, 1.0)
        farther = _walk(begin, directions, unit, sharpness, -1.0)
        ratios = np.stack(
            [np.zeros_like(begin), *(one for _, one in reversed(nearer)), begin, *(r for _, r in farther)]
        )
        places = [-place for place, _ in reversed(nearer)] + [0.0] + [place for place, _ in farther]
        gaps = np.tile(law.means, (len(ratios), 1))
        gaps[:, rivals] = ratios * spreads
        out.append(Path(gaps, np.array([places[0] - STEP, *places])))
    return out


def _walk(
    begin: FloatArray, directions: FloatArray, unit: float, sharpness: float, sign: float
) -> list[tuple[float, FloatArray]]:
    """Places and gaps in standard deviations, towards a tie (sign 1) or away from it."""
    ratio, place = begin, 0.0
    out: list[tuple[float, FloatArray]] = []
    farthest = FARTHEST + (math.sqrt(len(begin)) if sign > 0.0 else 0.0)
    while place < farthest and unit > 0.0:
        exponents = -0.5 * sharpness * ratio**2
        weights = np.exp(exponents - exponents.max())
        pull = directions.T @ (-weights * np.maximum(ratio, LEAST * unit))
        step = STEP if len(out) < SHORT_STEPS else 2.0 * STEP
        length = float(np.linalg.norm(pull))
        if length == 0.0:
            break
        ratio = np.maximum(0.0, ratio + sign * step * unit * (directions @ (pull / length)))
        place += step
        out.append((place, ratio))
        if sign > 0.0 and float(ratio.max()) < TIED * unit:
            break
    return out


def separation(law: JointLaw, means: FloatArray, n: int, stretch: FloatArray | float = 1.0) -> FloatArray:
    """What data sets show of the leakage, ``[B]``: smaller means that the best candidate stands farther apart.

    The rivals' Gaussian exponents added, as a logarithm: what one can see without the law's gradients, 400 data sets a
    hypothesis.

    Args:
        law: of the candidates, one of which at least has a loss that varies against that of the best.
        means: mean losses that the data sets show, ``[B, K]``.
        n: size of the training set.
        stretch: how many times as large the gaps appear in standard deviations, ``[B]``.
    """
    rows = np.arange(len(means))
    best = means.argmin(axis=1)
    gaps = (means - means[rows, best][:, None]) * np.reshape(np.asarray(stretch, dtype=np.float64), (-1, 1))
    with np.errstate(invalid="ignore", over="ignore"):
        exponents = -0.5 * n * gaps**2 * law.precisions[best]
    # Without a spread between them the one that is as good comes later, and is never selected.
    exponents[np.isnan(exponents)] = -np.inf
    exponents[rows, best] = -np.inf
    return log_sum(exponents)
