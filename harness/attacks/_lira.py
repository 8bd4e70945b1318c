"""LiRA: a record's confidence compared with those of reference models that were not trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from harness.attacks._base import BaseAttack
from harness.attacks._references import out_mask, reference_logits, require_references, usable_shadows
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.errors import InputError
from harness.types import FloatArray, Observations

__all__ = ["Lira", "LiraOnline", "lira_offline", "lira_online"]

# With fewer references a record's own variance is too noisy and the pooled one is better (Carlini et al., fig. 9).
PER_RECORD_VARIANCE_FROM = 64
# Spread where no record has two references; a constant does not change the ranking.
NO_SPREAD = 1.0
MIN_SPREAD = 1e-12
# Online scores compare a record's own two Gaussians, each with a mean of its own.
MIN_ONLINE_REFERENCES = 2

BoolArray = NDArray[np.bool_]


def lira_offline(
    logits: FloatArray, references: FloatArray, out: BoolArray, *, per_record: bool | None = None
) -> FloatArray:
    """Standardised distance of each record above its references that were not trained on it, float64 ``[n]``.

    The paper's score is the normal distribution function of this; that has the same ranking, but rounds to 1.

    Args:
        logits: logit-scaled confidence under the target, ``[n]``.
        references: the same under each reference, ``[R, n]``.
        out: whether a reference was not trained on the record, ``[R, n]``; at least one in each column.
        per_record: one variance per record, or one pooled within records; None decides by the number of references.
    """
    mean, spread = _gaussian(references, out, per_record=per_record)
    return (logits - mean) / spread


def lira_online(
    logits: FloatArray, references: FloatArray, out: BoolArray, *, per_record: bool | None = None
) -> FloatArray:
    """Log-likelihood ratio of "trained on" against "not trained on", float64 ``[n]``.

    Args:
        logits: logit-scaled confidence under the target, ``[n]``.
        references: the same under each reference, ``[R, n]``.
        out: whether a reference was not trained on the record, ``[R, n]``.
        per_record: as for ``lira_offline``.
    """
    out_mean, out_spread = _gaussian(references, out, per_record=per_record)
    in_mean, in_spread = _gaussian(references, ~out, per_record=per_record)
    far_in, far_out = (logits - in_mean) / in_spread, (logits - out_mean) / out_spread
    return np.asarray(0.5 * (far_out**2 - far_in**2) + np.log(out_spread) - np.log(in_spread))


def _gaussian(references: FloatArray, mask: BoolArray, *, per_record: bool | None) -> tuple[FloatArray, FloatArray]:
    """Mean ``[n]`` and standard deviation ``[n]`` (or pooled, broadcast) over the references in ``mask``."""
    count = mask.sum(axis=0)
    complete = bool(mask.all())
    mean = references.mean(axis=0) if complete else (references * mask).sum(axis=0) / np.maximum(count, 1)
    squares = references - mean
    squares *= squares
    within = squares.sum(axis=0) if complete else (squares * mask).sum(axis=0)
    if per_record is None:
        per_record = bool(count.min() >= PER_RECORD_VARIANCE_FROM)
    if per_record:
        return mean, np.sqrt(np.maximum(within / np.maximum(count - 1, 1), MIN_SPREAD**2))
    degrees = int(np.maximum(count - 1, 0).sum())
    spread = float(np.sqrt(within.sum() / degrees)) if degrees else NO_SPREAD
    return mean, np.full(len(mean), max(spread, MIN_SPREAD))


@register("lira", family="lira", needs=("confidences", "references"), headline=True)
class Lira(BaseAttack):
    """Offline LiRA: the record's logit-scaled confidence against a Gaussian of references not trained on it.

    The cut is chosen on the shadows that have references of their own, else it is 0, the references' mean.

    Carlini, Chien, Nasr, Song, Terzis & Tramer, Membership inference attacks from first principles, S&P 2022.
    """

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Choose the cut on shadows with references of their own, else take 0."""
        self._require(shadow)
        usable = [s for s in usable_shadows(shadow, self.variants, with_population=False) if self._obstacle(s) is None]
        self.threshold = 0.0
        return super().fit(usable) if usable else self

    def score(self, target: Observations) -> FloatArray:
        """Standardised distance above the references, ``[n]``.

        Raises:
            InputError: references are missing, or a record has too few outside (online: or inside) ones.
        """
        require_references(target, self.variants)
        obstacle = self._obstacle(target)
        if obstacle is not None:
            raise InputError(obstacle)
        logits = signals_of(target, self._variant, self.cache).logit
        return self._compare(logits, reference_logits(target, self._variant, self.cache), out_mask(target))

    def _compare(self, logits: FloatArray, references: FloatArray, out: BoolArray) -> FloatArray:
        return lira_offline(logits, references, out)

    def _obstacle(self, observations: Observations) -> str | None:
        """The reason why the attack cannot use these references, or None."""
        outside = out_mask(observations).any(axis=0)
        if not outside.all():
            return f"{observations.name}: record {int(np.argmin(outside))} was in every reference's training set"
        return None


@register("lira-online", family="lira", needs=("confidences", "references"))
class LiraOnline(Lira):
    """Online LiRA: the ratio of two Gaussians, of references trained on the record and of the others.

    Carlini, Chien, Nasr, Song, Terzis & Tramer, Membership inference attacks from first principles, S&P 2022.
    """

    def _compare(self, logits: FloatArray, references: FloatArray, out: BoolArray) -> FloatArray:
        return lira_online(logits, references, out)

    def _obstacle(self, observations: Observations) -> str | None:
        if observations.reference_membership is None:
            return f"{observations.name}/reference_membership: missing; online LiRA needs references inside and outside"
        out = out_mask(observations)
        fewest = np.minimum(out.sum(axis=0), (~out).sum(axis=0))
        if fewest.min() < MIN_ONLINE_REFERENCES:
            return (
                f"{observations.name}: record {int(fewest.argmin())} has {int(fewest.min())} references on one side, "
                f"online LiRA needs {MIN_ONLINE_REFERENCES} inside and as many outside"
            )
        return None
