"""The signed root of a rival's exponent: on a fold of the records, and on all of them with each record's share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.mis._chernoff import chernoff, ties
from harness.mis._pairs import SNR_LIMIT, signal_to_noise
from harness.types import FloatArray

__all__ = ["METHODS", "FoldValue", "PairRoot", "fold_value", "pair_root"]

METHODS = ("gauss", "chernoff")
# Where the root of the exact exponent is smaller, the shares are those of the Gaussian formula up to rounding.
NEAR_TIE = 1e-6


@dataclass(frozen=True)
class FoldValue:
    """The exponent of one pair on one fold.

    Args:
        root: signed ``s`` with ``r = max(s, 0)^2 / 2``; for the Gaussian formula ``delta / sigma``. Within +-1e6.
        bias: upward bias of the plug-in ``r``.
    """

    root: float
    bias: float

    @property
    def exponent(self) -> float:
        """Debiased, so it may be a little below zero; 0 where the rival is the better one on this fold."""
        return 0.5 * self.root * self.root - self.bias if self.root > 0 else 0.0


@dataclass(frozen=True, eq=False)
class PairRoot:
    """The exponent of one pair on all records, and what every record adds to it.

    Args:
        root: signed root, see :class:`FoldValue`.
        bias: upward bias of the plug-in ``r`` times the number of independent records.
        shares: influence of each record on the root, of mean zero, ``[N]``: a resample in which record i occurs c_i
            times moves the root by ``sum c_i shares_i / N``, to first order. Zero where no record prefers the rival.
    """

    root: float
    bias: float
    shares: FloatArray


def fold_value(x: FloatArray, *, method: str, units: int) -> FoldValue:
    """The exponent of loss differences ``x`` (rival minus reference) on a fold of ``units`` independent units."""
    if method == "gauss":
        return FoldValue(float(signal_to_noise(x.mean(), x.std(ddof=1))), 0.5 / units)
    sign = -1.0 if x.mean() < 0 else 1.0
    exact = chernoff(sign * x)
    root = sign * min(math.sqrt(2.0 * exact.exponent), SNR_LIMIT)
    return FoldValue(root, exact.bias / units)


def pair_root(x: FloatArray, *, method: str) -> PairRoot:
    """The signed root of loss differences ``x [N]`` with its influence function. Derived.

    For the Gaussian formula ``s = delta / sigma`` a record of standardised difference z has ``z - s (z^2 - 1) / 2``;
    for the exact exponent ``I = -log E exp(-tau X)`` it has ``(1 - exp(-tau x) / E exp(-tau X)) / sqrt(2 I)``.
    """
    centred = x - x.mean()
    # Not BLAS: the number of its threads would change the last bits.
    variance = np.einsum("i,i->", centred, centred) / (len(x) - 1)
    spread = math.sqrt(variance)
    gauss = float(signal_to_noise(x.mean(), np.sqrt(variance)))
    if method == "gauss":
        return PairRoot(gauss, 0.5, _gauss_shares(centred, spread, gauss))
    sign = -1.0 if gauss < 0 else 1.0
    exact = chernoff(sign * x)
    root = min(math.sqrt(2.0 * exact.exponent), SNR_LIMIT)
    if root < NEAR_TIE:
        return PairRoot(sign * root, exact.bias, _gauss_shares(centred, spread, 0.0))
    if root == SNR_LIMIT:
        return PairRoot(sign * root, exact.bias, np.zeros(len(x)))
    if math.isinf(exact.tau):
        weight = ties(x).astype(np.float64)
    else:
        powers = -exact.tau * sign * x
        weight = np.exp(powers - powers.max())
    return PairRoot(sign * root, exact.bias, sign * (1.0 - weight / weight.mean()) / root)


def _gauss_shares(z: FloatArray, spread: float, root: float) -> FloatArray:
    """The shares from centred differences, which are overwritten."""
    if spread == 0.0 or abs(root) == SNR_LIMIT:
        return np.zeros(len(z))
    z /= spread
    square = z * z
    square -= square.mean()
    square *= 0.5 * root
    z -= square
    return z
