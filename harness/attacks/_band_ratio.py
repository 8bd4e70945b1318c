"""Bands: a model's answer to a record, given the answer expected of other models, for members and for non-members."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import ledoit_wolf

from harness.attacks._expectation import LEAST_VARIANCE
from harness.types import FloatArray, IntArray

__all__ = ["Bands", "JointBands", "NormalBand", "fit_bands", "fit_joint_bands", "soft_clip"]

# The expected answers are clipped at these quantiles of the fitted ones: a parabola must not be extrapolated.
QUANTILES = (0.005, 0.995)
# Ridge on the slope and the curvature of the log-variance.
RIDGE = 1.0
NEWTON_STEPS = 25
NEWTON_TOLERANCE = 1e-10
# One step changes the log-variance by no more than this.
LARGEST_STEP = 2.0
# The variance is at least this share of the variance of all answers.
LEAST_SHARE = 1e-8
# Beyond these, residuals in standard deviations and log ratios grow logarithmically.
RESIDUAL_BOUND = 12.0
RATIO_BOUND = 30.0


def soft_clip(values: FloatArray, bound: float) -> FloatArray:
    """The values, which grow only logarithmically beyond ``bound``: bounded influence without ties."""
    excess = np.maximum(np.abs(values) - bound, 0.0)
    return np.asarray(np.where(excess > 0, np.sign(values) * (bound + np.log1p(excess)), values))


@dataclass(frozen=True)
class NormalBand:
    """A normal distribution whose mean and log-variance are parabolas of the expected answer.

    Args:
        mean: coefficients of the mean, constant first, ``[3]``.
        log_variance: coefficients of the log-variance, ``[3]``.
    """

    mean: FloatArray
    log_variance: FloatArray

    def residuals(self, x: FloatArray, powers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The answers in standard deviations from the mean, and the logarithm of the standard deviation."""
        log_spread = 0.5 * (powers @ self.log_variance)
        return soft_clip((x - powers @ self.mean) * np.exp(-log_spread), RESIDUAL_BOUND), log_spread


@dataclass(frozen=True)
class Bands:
    """The bands of members and of non-members, and the scale on which the expected answers enter.

    Args:
        centre: mean of the fitted expected answers.
        scale: their standard deviation.
        low: the smallest scaled value that is not clipped.
        high: the largest one.
        outside: the band of non-members.
        inside: the band of members.
    """

    centre: float
    scale: float
    low: float
    high: float
    outside: NormalBand
    inside: NormalBand

    def residuals(self, x: FloatArray, expected: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Residual and log standard deviation under ``outside``, then both under ``inside``, float64 ``[n]`` each."""
        powers = _powers(np.clip((expected - self.centre) / self.scale, self.low, self.high))
        return (*self.outside.residuals(x, powers), *self.inside.residuals(x, powers))

    def log_ratio(self, x: FloatArray, expected: FloatArray) -> FloatArray:
        """Log-likelihood ratio of "member" against "non-member", float64 ``[n]``.

        Args:
            x: the model's answers, ``[n]``.
            expected: the answers expected of models that were not trained on the records, ``[n]``.
        """
        out, log_out, inside, log_inside = self.residuals(x, expected)
        return soft_clip(0.5 * (out**2 - inside**2) + log_out - log_inside, RATIO_BOUND)


def fit_bands(x: FloatArray, expected: FloatArray, membership: IntArray) -> Bands:
    """Fit both bands: the means by least squares, the log-variances by maximum likelihood.

    LiRA without references inside looks from one side: "far above the references" is a member. Members that were
    trained to zero loss fill a band of confidences instead, which the references of easy records exceed; a ratio of two
    fitted distributions sees both sides. The shadows' members take the place of references inside.

    Args:
        x: answers of models whose membership is known, ``[n]``.
        expected: the answers expected of models that were not trained on the records, ``[n]``.
        membership: 1 where the model was trained on the record, ``[n]``.
    """
    centre, scale = float(expected.mean()), float(expected.std()) or 1.0
    scaled = (expected - centre) / scale
    low, high = (float(q) for q in np.quantile(scaled, QUANTILES))
    powers = _powers(np.clip(scaled, low, high))
    member = membership == 1
    least = max(LEAST_SHARE * float(np.mean((x - x.mean()) ** 2)), LEAST_VARIANCE)
    return Bands(
        centre, scale, low, high, _fit(x[~member], powers[~member], least), _fit(x[member], powers[member], least)
    )


def _powers(scaled: FloatArray) -> FloatArray:
    return np.column_stack([np.ones_like(scaled), scaled, scaled**2])


def _fit(x: FloatArray, powers: FloatArray, least: float) -> NormalBand:
    """One band of answers ``[n]``, given the powers of the expected ones ``[n, 3]``."""
    mean = np.asarray(np.linalg.lstsq(powers, x, rcond=None)[0], dtype=np.float64)
    square = (x - powers @ mean) ** 2 + least
    ridge = RIDGE * np.array([0.0, 1.0, 1.0])
    log_variance = np.array([np.log(square.mean()), 0.0, 0.0])
    for _ in range(NEWTON_STEPS):
        # Minus log-likelihood: half of (log-variance + square / variance), convex in the coefficients.
        relative = square * np.exp(-(powers @ log_variance))
        gradient = 0.5 * powers.T @ (1.0 - relative) + ridge * log_variance
        curvature = 0.5 * (powers * relative[:, None]).T @ powers + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, LARGEST_STEP / max(float(np.abs(powers @ step).max()), 1e-300))
        log_variance = log_variance - step
        if float(np.abs(step).max()) < NEWTON_TOLERANCE:
            break
    return NormalBand(mean, log_variance)


@dataclass(frozen=True)
class JointBands:
    """Bands of several variants, whose residuals are jointly normal on each side.

    Args:
        bands: the bands of each variant.
        outside: inverse covariance of non-members' residuals, ``[v, v]``.
        inside: inverse covariance of members' residuals, ``[v, v]``.
        offset: half of the difference of the log-determinants.
    """

    bands: tuple[Bands, ...]
    outside: FloatArray
    inside: FloatArray
    offset: float

    def log_ratio(self, x: FloatArray, expected: FloatArray) -> FloatArray:
        """Log-likelihood ratio of "member" against "non-member", float64 ``[n]``.

        Args:
            x: the variants' answers, ``[v, n]``.
            expected: the answers expected of models that were not trained on the records, ``[v, n]``.
        """
        out, log_out, inside, log_inside = _stacked(self.bands, x, expected)
        far_out = np.einsum("vn,vw,wn->n", out, self.outside, out)
        far_in = np.einsum("vn,vw,wn->n", inside, self.inside, inside)
        spreads = (log_out - log_inside).sum(axis=0)
        return soft_clip(0.5 * (far_out - far_in) + spreads + self.offset, RATIO_BOUND)


def fit_joint_bands(bands: tuple[Bands, ...], x: FloatArray, expected: FloatArray, membership: IntArray) -> JointBands:
    """Estimate the covariance of the residuals on each side, shrunk towards a multiple of the identity.

    Ledoit & Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004.

    Args:
        bands: the fitted bands of each variant.
        x: the variants' answers, ``[v, n]``.
        expected: the answers expected of models that were not trained on the records, ``[v, n]``.
        membership: 1 where the model was trained on the record, ``[n]``.
    """
    out, _, inside, _ = _stacked(bands, x, expected)
    member = membership == 1
    of_out, _ = ledoit_wolf(out[:, ~member].T, assume_centered=True)
    of_in, _ = ledoit_wolf(inside[:, member].T, assume_centered=True)
    offset = 0.5 * (np.linalg.slogdet(of_out)[1] - np.linalg.slogdet(of_in)[1])
    return JointBands(bands, np.linalg.inv(of_out), np.linalg.inv(of_in), float(offset))


def _stacked(bands: tuple[Bands, ...], x: FloatArray, expected: FloatArray) -> tuple[FloatArray, ...]:
    """Residuals and log standard deviations of all variants, ``[v, n]`` each."""
    rows = [b.residuals(own, mean) for b, own, mean in zip(bands, x, expected, strict=True)]
    return tuple(np.stack(part) for part in zip(*rows, strict=True))
