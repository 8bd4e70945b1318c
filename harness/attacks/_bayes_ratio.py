"""BASE: the record's log-confidence above the log of the references' mean confidence, at a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from harness import stats
from harness.attacks._base import BaseAttack
from harness.attacks._folds import stacked_membership
from harness.attacks._references import (
    require_both_sides,
    require_outside,
    require_references,
    usable_shadows,
)
from harness.attacks._registry import register
from harness.attacks._signals import tempered_log_p
from harness.types import FloatArray, IntArray, Observations

__all__ = ["BayesRatio", "BayesRatioOnline", "log_mean_confidence"]

# The authors' weight of references that were not trained on the record.
DEFAULT_WEIGHT = 0.33
WEIGHTS = (0.0, 0.1, 0.2, DEFAULT_WEIGHT, 0.5, 0.7, 1.0)
# The authors' code divides by 2. On Location-30 networks of 20 to 60 epochs the best one lies between 1 and 2, and the
# middle one is at most .02 (AUC) and .12 (TPR at 1% FPR) below it.
DEFAULT_TEMPERATURE = 1.5
TEMPERATURES = (1.0, 1.5, 2.0, 3.0)
# No shadow has references of its own: a record as confident as its references are.
DEFAULT_CUT = 0.0


def log_mean_confidence(references: FloatArray, mask: NDArray[np.bool_]) -> FloatArray:
    """The logarithm of the mean confidence over the references in the mask, float64 ``[n]``.

    Args:
        references: log-confidence of the true class under each reference, ``[R, n]``.
        mask: which references count for a record, ``[R, n]``; at least one in each column.
    """
    counted = np.where(mask, references, -np.inf)
    return np.asarray(logsumexp(counted, axis=0) - np.log(mask.sum(axis=0)))


@register("base", family="base", needs=("confidences", "references"), headline=True)
class BayesRatio(BaseAttack):
    """Scores ``log p(x) - w log mean_k p_k(x)`` over references not trained on the record.

    The Bayes-optimal test compares the loss with that of models drawn with and without the record; with a weight w of
    one it ranks as RMIA does. Here w stands for the missing half of the references. All logits are divided by a
    temperature first. Weight, temperature and cut are chosen on the shadows with references of their own.

    Lassila, Oestman, Ngo & Graell i Amat, Practical Bayes-optimal membership inference attacks, 2025 (arXiv
    2505.24089).
    """

    online: ClassVar[bool] = False
    weight: float = DEFAULT_WEIGHT
    temperature: float = DEFAULT_TEMPERATURE

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Choose weight, temperature and cut on shadows with references of their own, else take the defaults."""
        self._require(shadow)
        self.weight = 1.0 if self.online else self.weight
        self.threshold = DEFAULT_CUT
        usable = usable_shadows(shadow, self.variants, with_population=False, online=self.online)
        if not usable:
            self.cut_note = "no shadow has references of its own: the cut is not chosen, it is 0"
        else:
            if len(usable) == 1 and len(shadow) > 1:
                self.cut_note = f"of {len(shadow)} shadows only one has references: the cut rests on that one"
            membership = stacked_membership(usable)
            self._choose(usable, membership)
            self._settle(np.concatenate([self.score(s) for s in usable]), membership)
        self.chosen = {"weight": self.weight, "temperature": self.temperature}
        return self

    def score(self, target: Observations) -> FloatArray:
        """The weighted log-ratio of the record's confidence and its references' mean, ``[n]``.

        Raises:
            InputError: references are missing, or a record has none outside (online: or none inside).
        """
        require_references(target, self.variants)
        own = tempered_log_p(target, self._variant, self.temperature, self.cache)
        references = np.stack(
            [tempered_log_p(r, self._variant, self.temperature, self.cache) for r in target.references]
        )
        if not self.online:
            return np.asarray(own - self.weight * log_mean_confidence(references, require_outside(target)))
        sides = [log_mean_confidence(references, mask) for mask in require_both_sides(target)]
        return np.asarray(own - self.weight * (np.logaddexp(*sides) - np.log(2.0)))

    def _choose(self, shadows: Sequence[Observations], membership: IntArray) -> None:
        best, chosen = -1.0, (self.weight, self.temperature)
        for temperature in TEMPERATURES:
            for weight in (1.0,) if self.online else WEIGHTS:
                self.weight, self.temperature = weight, temperature
                scores = np.concatenate([self.score(s) for s in shadows])
                auc = stats.auc(stats.roc(scores, membership)).value
                if auc > best:
                    best, chosen = auc, (weight, temperature)
        self.weight, self.temperature = chosen


@register("base-online", family="base", needs=("confidences", "references"), headline=True)
class BayesRatioOnline(BayesRatio):
    """Scores ``log p(x) - log mean_k p_k(x)``, half of the mean over references inside and half over those outside.

    A record needs one reference inside and one outside. Temperature and cut are chosen on the shadows.

    Lassila, Oestman, Ngo & Graell i Amat, Practical Bayes-optimal membership inference attacks, 2025 (arXiv
    2505.24089).
    """

    online: ClassVar[bool] = True
