"""Chernoff's exponent of a rival's chance to win: exact, where the Gaussian one is an approximation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.mis._pairs import SNR_LIMIT, checked_law
from harness.types import Array, FloatArray

__all__ = ["Chernoff", "chernoff", "ties"]

# With fewer effective records than this the exponent rests on a handful of extreme losses.
MIN_ESS = 30.0
# Differences below this share of the largest are rounding: neither a win nor a loss.
ROUNDING = 1e-15
# Differences that are all smaller are zero: their tilt, one over them, has no number.
UNDERFLOW = 1e-290
# Newton's steps converge quadratically, with bisection as a safeguard; only a law at the edge of floating point needs
# more.
MAX_STEPS = 200
# The bracket doubles from the Gaussian tilt; beyond this many doublings exp(-tX) is a point mass.
MAX_DOUBLINGS = 60


@dataclass(frozen=True)
class Chernoff:
    """Exponent of ``P(sum of n losses of the rival < that of the reference)``, in nats per record, and its tilt.

    Args:
        exponent: ``I = -inf_{t>=0} log E exp(-tX)``; infinite where the rival never wins on any record.
        tau: the minimising t; infinite where ``X >= 0``, 0 where the mean is not positive.
        sd_tilt: standard deviation of X under the tilted law.
        tv: total variation between the tilted law and the law itself: how much one record's loss reveals.
        ess: effective number of records under the tilt; infinite where the law is known.
        bias: upward bias of the plug-in exponent times N (derived, first order), to subtract as ``bias / N``; 0 if
            the law is known.
        se_tau: standard error of ``tau`` times ``sqrt(N)``.
        status: ``ok``, ``extrapolated`` (ess < 30), ``never_beaten`` (X >= 0), ``tie`` (mean 0) or
            ``ref_not_minimiser`` (mean < 0; the exponent is 0).
    """

    exponent: float
    tau: float
    sd_tilt: float
    tv: float
    ess: float
    bias: float
    se_tau: float
    status: str


def chernoff(x: Array, *, weights: Array | None = None, start: float | None = None) -> Chernoff:
    """Chernoff exponent of the loss differences ``x = l_k - l_ref`` of one rival.

    Args:
        x: differences on N records, or the atoms of a known law.
        weights: the atoms' probabilities; None means a sample, each record 1/N.
        start: initial value of ``tau``, e.g. the tilt on other records; it only speeds up the search.

    Raises:
        InputError: no record, NaN or infinity, or weights that are not probabilities.
    """
    values = np.asarray(x, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise InputError(f"x: shape {values.shape}, expected one or more finite loss differences")
    w = None if weights is None else checked_law(weights, len(values))
    if w is not None:
        values, w = values[w > 0], w[w > 0]
    scale = float(np.max(np.abs(values)))
    if scale < UNDERFLOW:
        return Chernoff(0.0, 0.0, 0.0, 0.0, _ess(w, len(values)), 0.0, 0.0, "tie")
    unit = values / scale  # the exponent does not depend on the loss's unit; Newton's tolerances do
    mean = _mean(unit, w)
    if unit.min() >= -ROUNDING:
        tied = _mean(ties(unit).astype(np.float64), w)
        exponent = -math.log(tied) if tied > 0 else math.inf
        return Chernoff(exponent, math.inf, 0.0, 1.0 - tied, _ess(w, tied * len(unit)), 0.0, 0.0, "never_beaten")
    spread = math.sqrt(_mean((unit - mean) ** 2, w))
    if mean <= 0 or abs(mean) <= spread / SNR_LIMIT**2:
        status = "tie" if abs(mean) <= spread / SNR_LIMIT**2 else "ref_not_minimiser"
        return Chernoff(0.0, 0.0, spread * scale, 0.0, _ess(w, len(unit)), 0.5, 1.0 / (spread * scale), status)
    tau = _root(unit, w, guess=mean / spread**2 if start is None else start * scale)
    return _tilted_exponent(unit, w, tau, scale)


def ties(x: FloatArray) -> NDArray[np.bool_]:
    """Where a loss difference is zero up to rounding."""
    return np.asarray(np.abs(x) <= ROUNDING * float(np.max(np.abs(x))))


def _root(x: FloatArray, w: FloatArray | None, *, guess: float) -> float:
    """The t > 0 where the tilted mean of x vanishes: Newton inside a bracket, bisection where Newton leaves it."""
    low, high = 0.0, max(guess, 1e-12)
    for _ in range(MAX_DOUBLINGS):
        mean, spread = _tilted(x, w, high)
        if mean <= 0:
            break
        low, high = high, 2.0 * high
    t, deviation = (high, spread) if mean <= 0 else (high, max(spread, 1e-300))
    for _ in range(MAX_STEPS):
        step = t + mean / deviation**2 if deviation > 0 else math.inf
        t = step if low < step < high else 0.5 * (low + high)
        mean, deviation = _tilted(x, w, t)
        if mean > 0:
            low = t
        else:
            high = t
        # Both searches stop where the tilted mean (values are within +-1) is zero up to rounding.
        if abs(mean) <= 4e-16 * (1.0 + t * deviation**2) or high - low <= 4e-16 * high:
            break
    return t


def _tilted(x: FloatArray, w: FloatArray | None, t: float) -> tuple[float, float]:
    g = _tilt(x, w, t)[0]
    mean = _dot(g, x)
    return mean, math.sqrt(max(_dot(g, x, x) - mean * mean, 0.0))


def _tilt(x: FloatArray, w: FloatArray | None, t: float) -> tuple[FloatArray, float]:
    """Probabilities under the tilt, and ``log E exp(-t x)``."""
    shift = -t * float(x.min())
    g = np.exp(-t * x - shift)
    if w is not None:
        g *= w
    total = float(g.sum())
    g /= total
    return g, shift + math.log(total / (len(x) if w is None else 1.0))


def _tilted_exponent(x: FloatArray, w: FloatArray | None, tau: float, scale: float) -> Chernoff:
    g, log_mgf = _tilt(x, w, tau)
    sd = math.sqrt(max(_dot(g, x, x) - _dot(g, x) ** 2, 0.0))
    law = 1.0 / len(x) if w is None else w
    tv = 0.5 * float(np.abs(g - law).sum())
    bias = se = 0.0
    if w is None:
        n = len(x)
        # Second-order expansion of -min_t log(mean exp(-tX)): the variance of the mean, and of where the minimum lies.
        slope = n * _dot(g, g, x, x)
        bias = 0.5 * (n * _dot(g, g) - 1.0 + slope / sd**2) if sd > 0 else 0.0
        se = math.sqrt(slope) / sd**2 / scale if sd > 0 else 0.0
    ess = math.inf if w is not None else 1.0 / _dot(g, g)
    status = "ok" if ess >= MIN_ESS else "extrapolated"
    return Chernoff(max(-log_mgf, 0.0), tau / scale, sd * scale, tv, ess, bias, se, status)


def _mean(x: FloatArray, w: FloatArray | None) -> float:
    return float(x.mean()) if w is None else _dot(w, x)


def _dot(*factors: FloatArray) -> float:
    """Sum of products. Not BLAS: its threads cost more than they save here, and their number changes the last bits."""
    return float(np.einsum(",".join("i" * len(factors)) + "->", *factors))


def _ess(w: FloatArray | None, ess: float) -> float:
    """Effective number of records: infinite for a known law."""
    return math.inf if w is not None else float(ess)
