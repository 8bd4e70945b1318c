"""Log-leakage of one rival by a saddle-point approximation that is valid from ties to far tails."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr

from harness.errors import InputError
from harness.mis._chernoff import Chernoff, chernoff, ties
from harness.mis._pairs import checked_law
from harness.types import Array, FloatArray

__all__ = ["gauss_log_delta", "saddle_log_delta"]


def saddle_log_delta(x: Array, *, n: int, weights: Array | None = None, tilt: Chernoff | None = None) -> float:
    """``log Delta_n`` of a pair of candidates with loss differences x: the saddle-point approximation, derived.

    ``P(rival wins | z) ~ exp(-(n-1) I + lam^2/2) Phi(-lam - X(z)/(s sqrt(n-1)))`` with ``lam = tau s sqrt(n-1)``, s the
    tilted spread, and ``Delta = E_z |P(z) - E P|``. Exact for Gaussian X; tends to the sharp tail and to the tie limit.

    Args:
        x: loss differences rival minus reference on N records, mean >= 0; or the atoms of a known law.
        n: size of the training set.
        weights: the atoms' probabilities.
        tilt: ``chernoff(x)`` where the caller has it already.

    Returns:
        A number <= 0; minus infinity where the rival is never selected.

    Raises:
        InputError: ``n < 2`` or x cannot be used.
    """
    if n < 2:
        raise InputError(f"n={n}: the approximation needs a training set of at least 2 records")
    values = np.asarray(x, dtype=np.float64)
    w = None if weights is None else checked_law(weights, len(values))
    exact = chernoff(values, weights=w) if tilt is None else tilt
    if exact.status == "never_beaten":
        return _never_beaten(values, w, n)
    if exact.sd_tilt == 0:  # all differences are zero: a duplicate is never selected
        return -math.inf
    root = math.sqrt(n - 1)
    lam = exact.tau * exact.sd_tilt * root
    log_p = log_ndtr(-lam - values / (exact.sd_tilt * root))
    offset = 0.5 * lam * lam - (n - 1) * exact.exponent
    top = float(log_p.max())
    # Relative to the largest chance, so that exponents of -1e5 do not all underflow to 0.
    p = np.exp(log_p - top)
    mean = _mean(p, w)
    spread = _mean(np.abs(p - mean), w)
    return min(offset + top + math.log(spread), 0.0) if spread > 0 else -math.inf


def gauss_log_delta(snr: FloatArray, *, n: int) -> FloatArray:
    """``log Delta_n`` of Gaussian loss differences of ratio ``snr >= 0``; derived, within 1% from n = 50 on."""
    s = np.asarray(snr, dtype=np.float64)
    return np.asarray(-0.5 * n * s * s - math.log(math.pi) - 0.5 * math.log(n))


def _never_beaten(x: FloatArray, w: FloatArray | None, n: int) -> float:
    """X >= 0: the rival can only tie, when all n records do. An upper bound: the tie-break may never select it."""
    tied = _mean(ties(x).astype(np.float64), w)
    if tied in (0.0, 1.0):
        return -math.inf
    return min((n - 1) * math.log(tied) + math.log(2.0 * tied * (1.0 - tied)), 0.0)


def _mean(x: FloatArray, w: FloatArray | None) -> float:
    return float(x.mean()) if w is None else float(w @ x)
