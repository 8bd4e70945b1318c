"""The exact leakage by enumeration, for laws with few atoms and small training sets; verifies the estimates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, combinations, islice

import numpy as np
from scipy.special import gammaln

from harness.errors import InputError
from harness.mis._pairs import checked_law
from harness.types import Array, FloatArray, IntArray

__all__ = ["exact_delta"]

# An enumeration of more states takes minutes; the Monte Carlo estimate is faster.
MAX_STATES = 20_000_000
# States held in memory at once.
CHUNK = 65536
# Sums of losses closer than this share of the largest are a tie, which the lowest index wins.
TIE_TOL = 1e-12


def exact_delta(losses: Array, weights: Array, *, n: int) -> tuple[float, FloatArray, FloatArray]:
    """Exact ``Delta_n`` of the empirical-loss minimiser over K candidates, records drawn from J atoms. Derived, exact.

    ``Delta_n = E_z TV(law of khat given z_1 = z, law of khat) = 1/2 E_z sum_k |p_k(z) - p_k|``; the best balanced
    membership attack has accuracy ``(1 + Delta_n) / 2`` and ``MIS_n = 1 - Delta_n``.

    Args:
        losses: ``[K, J]``, loss of each candidate on each atom.
        weights: probabilities of the atoms ``[J]``.
        n: size of the training set; ``C(n+J-2, J-1)`` states are enumerated.

    Returns:
        ``Delta_n``, the selection probabilities ``p_k [K]`` and ``p_k(z) [J, K]``.

    Raises:
        InputError: shapes disagree, values are not finite, ``n < 1``, or there are too many states.
    """
    matrix = np.asarray(losses, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] < 1 or matrix.shape[1] < 1 or not np.isfinite(matrix).all():
        raise InputError(f"losses: shape {matrix.shape}, expected finite [K >= 1, J >= 1]")
    k, j = matrix.shape
    law = checked_law(weights, j)
    if n < 1:
        raise InputError(f"n={n}: a training set has at least one record")
    states = math.comb(n + j - 2, j - 1)
    if states > MAX_STATES:
        raise InputError(
            f"n={n}, J={j}: {states} states are too many to enumerate", hint="use a smaller n, or mc_delta"
        )
    given = np.zeros((j, k))
    tol = TIE_TOL * n * max(float(np.abs(matrix).max()), 1e-300)
    with np.errstate(divide="ignore"):
        log_law = np.log(law)
    for counts in _compositions(n - 1, j):
        chance = _multinomial(counts, log_law)
        sums = counts @ matrix.T
        for atom in range(j):
            totals = sums + matrix[:, atom]
            winner = np.argmax(totals <= totals.min(axis=1, keepdims=True) + tol, axis=1)
            given[atom] += np.bincount(winner, weights=chance, minlength=k)
    overall = law @ given
    return _total_variation(given, overall, law), overall, given


def _total_variation(given: FloatArray, overall: FloatArray, law: FloatArray) -> float:
    """``1/2 E sum |p_k(z) - p_k|``, the likeliest k through its complement, which keeps digits near 1."""
    top = int(np.argmax(overall))
    rest = np.delete(given - overall, top, axis=1)
    return float(0.5 * law @ (np.abs(rest).sum(axis=1) + np.abs(rest.sum(axis=1))))


def _multinomial(counts: IntArray, log_law: FloatArray) -> FloatArray:
    n = int(counts[0].sum())
    log_terms = np.where(counts > 0, counts * np.where(np.isfinite(log_law), log_law, -1e300), 0.0)
    log_p = gammaln(n + 1) - gammaln(counts + 1).sum(axis=1) + log_terms.sum(axis=1)
    return np.asarray(np.exp(log_p))


def _compositions(total: int, parts: int) -> Iterator[IntArray]:
    """All ways to write ``total`` as ``parts`` ordered counts, in blocks ``[<= CHUNK, parts]``: stars between bars."""
    if parts == 1:
        yield np.array([[total]])
        return
    places = total + parts - 1
    bars = combinations(range(places), parts - 1)
    while True:
        block = np.fromiter(chain.from_iterable(islice(bars, CHUNK)), dtype=np.int64).reshape(-1, parts - 1)
        if len(block) == 0:
            return
        yield np.diff(block, axis=1, prepend=-1, append=places) - 1
