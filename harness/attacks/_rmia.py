"""RMIA: compares a record with a population by likelihood ratios against reference models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from harness import stats
from harness.attacks._base import BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._folds import stacked_membership
from harness.attacks._references import out_mask, population_of, require_references, usable_shadows
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.errors import InputError
from harness.types import FloatArray, Observations

__all__ = ["Rmia", "pairwise_exceedance", "ratios"]

# Defaults without shadows to tune them on: the paper's offline correction for CIFAR-10, a pairwise test at even odds,
# and a cut at half of the population.
DEFAULT_A = 0.3
DEFAULT_GAMMA = 1.0
DEFAULT_CUT = 0.5
A_GRID = tuple(np.round(np.linspace(0.0, 1.0, 11), 1))
GAMMA_GRID = (1.0, 1.25, 1.5, 2.0, 4.0)
# Smaller confidences and reference means are raised to this, as in the reference code.
RATIO_FLOOR = 1e-12


def pairwise_exceedance(ratio_x: FloatArray, ratio_z: FloatArray, gamma: float) -> FloatArray:
    """The share of z with ``ratio_x / ratio_z > gamma``, for each x; O((n + m) log n), no n-by-m array.

    Equal to the pairwise formula to the last bit: for a fixed z the rounded quotient rises with x, so the x that exceed
    it are the last of the sorted ones. A binary search for ``gamma * ratio_z`` gives the first of them up to rounding,
    and a comparison with the true quotients nearby corrects it. The number of z that an x exceeds is then a
    cumulative sum over the sorted x.

    Args:
        ratio_x: positive, ``[n]``.
        ratio_z: positive, ``[m]``.
        gamma: positive.

    Returns:
        float64 ``[n]`` in ``[0, 1]``.
    """
    order = np.argsort(ratio_x)
    x, z = ratio_x[order], np.sort(ratio_z)  # sorted queries are several times faster
    begin = np.searchsorted(x, gamma * z, side="right")
    moving = np.arange(len(z))
    while len(moving):  # begins too high: the x before exceeds z as well, and so do equal ones
        moving = moving[begin[moving] > 0]
        moving = moving[x[begin[moving] - 1] / z[moving] > gamma]
        begin[moving] = np.searchsorted(x, x[begin[moving] - 1], side="left")
    moving = np.arange(len(z))
    while len(moving):  # begins too low: this x does not exceed z, nor do equal ones
        moving = moving[begin[moving] < len(x)]
        moving = moving[~(x[begin[moving]] / z[moving] > gamma)]
        begin[moving] = np.searchsorted(x, x[begin[moving]], side="right")
    exceeded = np.cumsum(np.bincount(begin, minlength=len(x))[: len(x)])
    scores = np.empty(len(x))
    scores[order] = exceeded / len(z)
    return scores


def ratios(confidence: FloatArray, references: FloatArray, out: NDArray[np.bool_], *, a: float | None) -> FloatArray:
    """Likelihood ratio ``p(record | target) / p(record)``, float64 ``[n]``.

    Args:
        confidence: confidence of the true class under the target, ``[n]``.
        references: the same under each reference, ``[R, n]``.
        out: whether a reference was not trained on the record, ``[R, n]``; the mean is over these only.
        a: the offline correction ``Pr(x) = 0.5 [(1 + a) mean_out + (1 - a)]``; None uses the plain mean, as for
            population records.
    """
    mean = (references * out).sum(axis=0) / np.maximum(out.sum(axis=0), 1)
    marginal = mean if a is None else 0.5 * ((1.0 + a) * mean + (1.0 - a))
    return np.asarray(np.maximum(confidence, RATIO_FLOOR) / np.maximum(marginal, RATIO_FLOOR))


@register("rmia", family="rmia", needs=("confidences", "references", "population"), headline=True)
class Rmia(BaseAttack):
    """Scores the share of population records whose likelihood ratio a record exceeds by more than a factor gamma.

    Offline: references that were not trained on the record estimate ``p(x)``, corrected by ``a``. Population records
    are outside every model's training set. ``a``, gamma and the cut are chosen on the shadows with references of
    their own, else they are the defaults above.

    Zarifzadeh, Liu & Shokri, Low-cost high-power membership inference attacks, ICML 2024.
    """

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Choose ``a``, gamma and the cut on shadows with references and a population, else take the defaults."""
        self._require(shadow)
        self.a, self.gamma, self.threshold = DEFAULT_A, DEFAULT_GAMMA, DEFAULT_CUT
        usable = usable_shadows(shadow, self.variants, with_population=True)
        if not usable:
            return self
        membership = stacked_membership(usable)

        def shadow_scores() -> FloatArray:
            return np.concatenate([self.score(s) for s in usable])

        best = -1.0
        for a in A_GRID:
            for gamma in GAMMA_GRID:
                self.a, self.gamma = float(a), gamma
                auc = stats.auc(stats.roc(shadow_scores(), membership)).value
                if auc > best:
                    best, chosen = auc, (self.a, self.gamma)
        self.a, self.gamma = chosen
        self._settle(shadow_scores(), membership)
        return self

    def score(self, target: Observations) -> FloatArray:
        """The share of the population that each record exceeds, ``[n]`` in ``[0, 1]``.

        Raises:
            InputError: references or a population are missing, or a record was in every reference's training set.
        """
        require_references(target, self.variants)
        z = population_of(target, self.variants)
        out = out_mask(target)
        if not out.any(axis=0).all():
            row = int(np.argmin(out.any(axis=0)))
            raise InputError(f"{target.name}: record {row} was in every reference's training set")
        of_x = _geometric_mean([ratios(*_answers(target, v, self.cache), out, a=self.a) for v in self.variants])
        z_out = out_mask(z)
        of_z = _geometric_mean([ratios(*_answers(z, v, self.cache), z_out, a=None) for v in self.variants])
        return pairwise_exceedance(of_x, of_z, self.gamma)


def _answers(observations: Observations, variant: str, cache: Cache) -> tuple[FloatArray, FloatArray]:
    """True-class confidences of the model ``[n]`` and of its references ``[R, n]``."""
    own = np.exp(signals_of(observations, variant, cache).log_p)
    return own, np.exp(np.stack([signals_of(r, variant, cache).log_p for r in observations.references]))


def _geometric_mean(per_variant: Sequence[FloatArray]) -> FloatArray:
    """The geometric mean of the variants' ratios; a single variant's ratio is returned unchanged."""
    if len(per_variant) == 1:
        return per_variant[0]
    return np.asarray(np.exp(np.mean(np.log(per_variant), axis=0)))
