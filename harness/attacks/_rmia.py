"""RMIA: compares a record with a population by likelihood ratios against reference models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from harness import stats
from harness.attacks._base import BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._folds import stacked_membership
from harness.attacks._references import (
    out_mask,
    population_of,
    require_both_sides,
    require_outside,
    require_references,
    usable_shadows,
)
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import FloatArray, IntArray, Observations

__all__ = ["Rmia", "RmiaOnline", "online_ratios", "pairwise_exceedance", "ratios", "refined"]

# Defaults without shadows to tune them on: the paper's offline correction for CIFAR-10, and a cut at half of the
# population.
DEFAULT_A = 0.3
DEFAULT_CUT = 0.5
A_GRID = tuple(np.round(np.linspace(0.0, 1.0, 11), 1))
# The pairwise test at even odds. Whichever gamma is taken, a larger ratio exceeds no fewer records: it moves the cut
# and changes no order.
GAMMA = 1.0
# Smaller confidences and reference means are raised to this, as in the reference code.
RATIO_FLOOR = 1e-12
# The logarithm of a ratio lies within this of 0: confidences and means are between the floor and 1.
LARGEST_LOG_RATIO = 28.0


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


def online_ratios(
    confidence: FloatArray, references: FloatArray, out: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> FloatArray:
    """Likelihood ratio with ``Pr(x)`` half of the references' mean inside and half of that outside, float64 ``[n]``.

    Args:
        confidence: confidence of the true class under the target, ``[n]``.
        references: the same under each reference, ``[R, n]``.
        out: which references count as not trained on the record, ``[R, n]``; at least one in each column.
        inside: which count as trained on it, likewise.
    """
    sides = [(references * mask).sum(axis=0) / mask.sum(axis=0) for mask in (out, inside)]
    return np.asarray(np.maximum(confidence, RATIO_FLOOR) / np.maximum(np.mean(sides, axis=0), RATIO_FLOOR))


def refined(share: FloatArray, ratio: FloatArray, population: int) -> FloatArray:
    """The share, raised by less than half of one record of the population, in the order of the ratios, ``[n]``.

    Records that exceed equally many of the population are told apart; all others keep their order.

    Args:
        share: share of the population that each record exceeds, ``[n]``.
        ratio: likelihood ratio of each record, ``[n]``.
        population: number of records of the population.
    """
    between = np.clip(0.5 + np.log(ratio) / (2.0 * LARGEST_LOG_RATIO), 0.0, 1.0)
    return share + 0.499 * between / population


@register("rmia", family="rmia", needs=("confidences", "references", "population"), headline=True)
class Rmia(BaseAttack):
    """Scores the share of population records whose likelihood ratio a record exceeds by more than a factor gamma.

    Offline: references that were not trained on the record estimate ``p(x)``, corrected by ``a``. Population records
    are outside every model's training set. ``a`` and the cut are chosen on the shadows with references of their own,
    else they are the defaults above. The cut is a ratio, and becomes a share on the target's own population: a shadow
    has one reference fewer than the target, and its population other shares. Equal shares are ordered by the ratio.

    Zarifzadeh, Liu & Shokri, Low-cost high-power membership inference attacks, ICML 2024.
    """

    online: ClassVar[bool] = False
    a: float = DEFAULT_A
    gamma: float = GAMMA
    _cut_ratio: float | None = None

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Choose ``a`` and the cut on shadows with references and a population, else take the defaults."""
        self._require(shadow)
        self.threshold = DEFAULT_CUT
        self.chosen = {"gamma": self.gamma} if self.online else {"a": self.a, "gamma": self.gamma}
        usable = usable_shadows(shadow, self.variants, with_population=True, online=self.online)
        if not usable:
            self.cut_note = "no shadow has references and a population of its own: the cut is not chosen, it is 0.5"
            return self
        if len(usable) == 1 and len(shadow) > 1:
            self.cut_note = f"of {len(shadow)} shadows only one has references of its own: the cut rests on that one"
        membership = stacked_membership(usable)
        if not self.online:
            self.a = self._best_a(usable, membership)
            self.chosen["a"] = self.a
        self._settle(np.concatenate([self.score(s) for s in usable]), membership)
        self._cut_ratio = stats.best_threshold(np.concatenate([self._ratio(s) for s in usable]), membership)
        return self

    def score(self, target: Observations) -> FloatArray:
        """The share of the population that each record exceeds, refined by less than half of one record, ``[n]``.

        Raises:
            InputError: references or a population are missing, or a record has no reference outside (online: inside).
        """
        return self._exceedance(self._ratio(target), target)

    def cut_of(self, target: Observations) -> FloatArray:
        """The score of the chosen ratio on the target's own population, for each record, ``[n]``."""
        if self._cut_ratio is None:
            return super().cut_of(target)
        return np.full(len(target), self._exceedance(np.array([self._cut_ratio]), target)[0])

    def _best_a(self, shadows: Sequence[Observations], membership: IntArray) -> float:
        best, chosen = -1.0, self.a
        for a in A_GRID:
            self.a = float(a)
            auc = stats.auc(stats.roc(np.concatenate([self._ratio(s) for s in shadows]), membership)).value
            if auc > best:
                best, chosen = auc, self.a
        return chosen

    def _ratio(self, target: Observations) -> FloatArray:
        """Likelihood ratio of each record, ``[n]``."""
        require_references(target, self.variants)
        per_variant = []
        for variant in self.variants:
            answers = _answers(target, variant, self.cache)
            if self.online:
                per_variant.append(online_ratios(*answers, *require_both_sides(target)))
            else:
                per_variant.append(ratios(*answers, require_outside(target), a=self.a))
        return _geometric_mean(per_variant)

    def _exceedance(self, of_x: FloatArray, target: Observations) -> FloatArray:
        """The refined share of the target's population that each ratio exceeds, ``[n]``."""
        z = population_of(target, self.variants)
        out = out_mask(z)
        of_z = _geometric_mean([ratios(*_answers(z, v, self.cache), out, a=None) for v in self.variants])
        return refined(pairwise_exceedance(of_x, of_z, self.gamma), of_x, len(of_z))


@register("rmia-online", family="rmia", needs=("confidences", "references", "population"), headline=True)
class RmiaOnline(Rmia):
    """RMIA whose references inside and outside estimate ``p(x)``, half and half; nothing is corrected.

    A record needs one reference inside and one outside.

    Zarifzadeh, Liu & Shokri, Low-cost high-power membership inference attacks, ICML 2024.
    """

    online: ClassVar[bool] = True


def _answers(observations: Observations, variant: str, cache: Cache) -> tuple[FloatArray, FloatArray]:
    """True-class confidences of the model ``[n]`` and of its references ``[R, n]``."""
    own = np.exp(signals_of(observations, variant, cache).log_p)
    return own, np.exp(np.stack([signals_of(r, variant, cache).log_p for r in observations.references]))


def _geometric_mean(per_variant: Sequence[FloatArray]) -> FloatArray:
    """The geometric mean of the variants' ratios; a single variant's ratio is returned unchanged."""
    if len(per_variant) == 1:
        return per_variant[0]
    return np.asarray(np.exp(np.mean(np.log(per_variant), axis=0)))
