"""LiRA on several variants at once: one Gaussian over the vector of their logit-scaled confidences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from harness.attacks._base import BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._folds import stacked_membership
from harness.attacks._references import out_mask, reference_logits, require_references, usable_shadows
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.errors import InputError
from harness.types import Adversary, FloatArray, Observations

__all__ = ["LiraJoint", "shrunk_covariance"]

# Relative ridge of the covariance: two variants may have identical answers.
RIDGE = 1e-3


def shrunk_covariance(rows: FloatArray) -> FloatArray:
    """Covariance of the columns, shrunk towards its diagonal by the estimated optimal share, float64 ``[v, v]``.

    Where all rows are zero, because the references' answers equal the target's, the covariance cannot be estimated and
    the identity is returned.

    Schaefer & Strimmer, A shrinkage approach to large-scale covariance matrix estimation, 2005 (target D).

    Args:
        rows: residuals around zero, ``[k, v]``.
    """
    k, v = rows.shape
    covariance = rows.T @ rows / k
    if not covariance.any():
        return np.eye(v)
    off = ~np.eye(v, dtype=bool)
    noise = ((rows**2).T @ (rows**2) / k - covariance**2)[off].sum() / k
    signal = (covariance[off] ** 2).sum()
    share = 1.0 if signal <= 0 else min(1.0, max(0.0, float(noise / signal)))
    covariance[off] *= 1.0 - share
    return np.asarray(covariance) + RIDGE * float(np.trace(covariance) / v) * np.eye(v)


@register("lira-joint", family="lira", alone="lira", needs=("confidences", "references"))
class LiraJoint(BaseAttack):
    """Offline LiRA on the joint Gaussian of all variants, with one covariance for "in" and "out".

    The residual of a record is the vector, over variants, of its logit-scaled confidence minus the mean over the
    references not trained on it. Its covariance under "out" comes from the population where there is one, else from
    the references' own spread. Members' residuals are shifted by the difference between the shadows' members and
    non-members. For two Gaussians with one covariance the best score is the matched filter of the shift,
    ``shift' S^-1 residual``; a per-record spread is not used, because it needs dozens of references.

    Not from a paper; the single-variant attack is Carlini et al., S&P 2022.
    """

    adversary: ClassVar[Adversary] = "MR"

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Estimate the members' shift, and choose the cut where shadows have references of their own."""
        self._require(shadow)
        logits = np.concatenate([_logits(s, self.variants, self.cache) for s in shadow])
        member = stacked_membership(shadow) == 1
        self._shift = logits[member].mean(axis=0) - logits[~member].mean(axis=0)
        self.threshold = 0.0
        usable = usable_shadows(shadow, self.variants, with_population=False)
        return super().fit(usable) if usable else self

    def score(self, target: Observations) -> FloatArray:
        """The matched filter's output in units of its own spread under "out", ``[n]``.

        Raises:
            InputError: references are missing, or a record was in every reference's training set.
        """
        require_references(target, self.variants)
        out = out_mask(target)
        if not out.any(axis=0).all():
            row = int(np.argmin(out.any(axis=0)))
            raise InputError(f"{target.name}: record {row} was in every reference's training set")
        residual = _residual(target, self.variants, out, self.cache)
        weights = np.linalg.solve(self._covariance(target, out), self._shift)
        spread = float(np.sqrt(max(self._shift @ weights, np.finfo(np.float64).tiny)))
        return np.asarray(residual @ weights / spread)

    def _covariance(self, target: Observations, out: NDArray[np.bool_]) -> FloatArray:
        z = target.population
        if z is not None and z.references and set(self.variants) <= set(z.variants):
            return shrunk_covariance(_residual(z, self.variants, out_mask(z), self.cache))
        per_reference = np.stack([reference_logits(target, v, self.cache) for v in self.variants], axis=-1)  # [R, n, v]
        mean = (per_reference * out[..., None]).sum(axis=0) / out.sum(axis=0)[:, None]
        within = (per_reference - mean)[out]
        repeated = (out.sum(axis=0) > 1)[None, :].repeat(len(out), axis=0)[out]
        if not repeated.any():
            return np.eye(len(self.variants))
        return shrunk_covariance(within[repeated])


def _logits(observations: Observations, variants: Sequence[str], cache: Cache) -> FloatArray:
    """Logit-scaled confidences, float64 ``[n, v]``."""
    return np.column_stack([signals_of(observations, v, cache).logit for v in variants])


def _residual(observations: Observations, variants: Sequence[str], out: NDArray[np.bool_], cache: Cache) -> FloatArray:
    """Logit-scaled confidences minus the mean of the references not trained on the record, float64 ``[n, v]``."""
    columns = []
    for variant in variants:
        references = reference_logits(observations, variant, cache)
        mean = (references * out).sum(axis=0) / out.sum(axis=0)
        columns.append(signals_of(observations, variant, cache).logit - mean)
    return np.column_stack(columns)
