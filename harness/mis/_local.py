"""Leakage where candidates nearly tie: the joint Gaussian limit of all rivals' losses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.errors import InputError
from harness.mis._matrix import checked
from harness.types import Array, FloatArray

__all__ = ["Gaussian", "gaussian", "local_log_delta"]

# Directions of the joint law that carry less than this share of its variance are rounding, not information.
RANK_TOL = 1e-12
# Draws, or records, in memory at once.
CHUNK = 4096


@dataclass(frozen=True)
class Gaussian:
    """``N(h, root root^T)``, with ``pull = (root^+)^T`` so that ``Sigma^+ G = pull e`` for ``G = root e``."""

    h: FloatArray
    root: FloatArray
    pull: FloatArray


def local_log_delta(losses: Array, *, n: int, draws: int = 65536, seed: int = 0) -> float:
    """``log Delta_n`` by the local limit, derived: ``sqrt(n) Delta = 1/2 sum_k E|g_k . (l - E l)|``.

    ``g_k`` is the gradient of ``P(argmin(h + G) = k)`` with ``h = sqrt(n) E l`` and G Gaussian with the losses'
    covariance, by Monte Carlo over antithetic draws of G. Meant for ``n r < 2``; in the tail the chances are too
    small for draws.

    Args:
        losses: ``[K, N]``, the rivals that matter; the cost is ``K^2 (N + draws)``.
        n: size of the training set.
        draws: Monte Carlo draws of G.
        seed: of the draws; the same seed gives the same bits.

    Returns:
        A number <= ``log(1 - 1/K)``; minus infinity where no draw moves the argmin.

    Raises:
        InputError: the matrix cannot be used, ``n < 1`` or ``draws < 2``.
    """
    matrix = checked(losses, min_points=2)
    if n < 1 or draws < 2:
        raise InputError(f"n={n}, draws={draws}: need n >= 1 and draws >= 2")
    k = len(matrix)
    if k == 1:
        return -math.inf
    # What a record adds to every candidate alike moves no argmin; removing it reduces rounding.
    best = int(np.argmin(matrix.mean(axis=1, dtype=np.float64)))
    centred = matrix - np.asarray(matrix[best], dtype=np.float64)
    means = centred.mean(axis=1)
    centred -= means[:, None]
    law = gaussian(math.sqrt(n) * means, centred @ centred.T / centred.shape[1])
    if law.root.shape[1] == 0:
        return -math.inf
    gradient = _gradient(law, draws, np.random.default_rng(seed))
    cuts = range(0, centred.shape[1], CHUNK)
    total = sum(float(np.abs(gradient @ centred[:, c : c + CHUNK]).sum()) for c in cuts) / centred.shape[1]
    delta = min(0.5 * total / math.sqrt(n), 1.0 - 1.0 / k)
    return math.log(delta) if delta > 0 else -math.inf


def gaussian(h: FloatArray, covariance: FloatArray) -> Gaussian:
    """The normal law with this mean and covariance, in the directions that carry information."""
    values, vectors = np.linalg.eigh(covariance)
    significant = values > RANK_TOL * max(float(values.max()), 0.0)
    spread = np.sqrt(values[significant])
    return Gaussian(h, vectors[:, significant] * spread, vectors[:, significant] / spread)


def _gradient(law: Gaussian, draws: int, rng: np.random.Generator) -> FloatArray:
    """``Sigma^+ E[G 1{argmin(h + G) = k}]`` for every k, ``[K, K]``."""
    k, rank = law.root.shape
    sums = np.zeros((k, rank))
    candidates = np.arange(k)[:, None]
    half = draws // 2
    for begin in range(0, half, CHUNK):
        e = rng.standard_normal((min(CHUNK, half - begin), rank))
        for signed in (e, -e):
            winner = np.argmin(law.h + signed @ law.root.T, axis=1)
            sums += (winner == candidates).astype(np.float64) @ signed
    return np.asarray((sums / (2 * half)) @ law.pull.T)
