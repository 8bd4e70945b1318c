"""Predicted leakage at a training-set size: a bracket from the pairs of candidates, the joint limit near ties."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import logsumexp

from harness.errors import InputError
from harness.mis._local import local_log_delta
from harness.mis._matrix import checked, dedupe
from harness.mis._monte_carlo import mc_delta
from harness.mis._pairs import PairStats, pair_stats
from harness.mis._product import product_log_delta
from harness.mis._reach import reachable
from harness.mis._saddle import gauss_log_delta, saddle_log_delta
from harness.types import Array, FloatArray

__all__ = ["HOW", "predict_log_delta"]

HOW = ("saddle_max", "saddle_sum", "local", "product", "bootstrap")
# Rivals whose leakage is computed from their losses' law; the others' share is taken from the Gaussian formula.
MAX_SADDLE = 32
# A rival this many nats behind the closest one adds less than 1e-5 of that one's leakage.
NEGLIGIBLE_NATS = 12.0
# Trainings simulated for either half of the two-sided estimate, and target records that are tried in each.
SIMULATED = 2000
TARGETS = 512


def predict_log_delta(
    losses: Array, *, n: int, how: str = "saddle_sum", seed: int = 0
) -> tuple[float, Mapping[str, float]]:
    """Predict ``log Delta_n`` of one quantizer; ``MIS_n = 1 - Delta_n``. Derived.

    Args:
        losses: ``[K, N]`` on held-out records.
        n: size of the training set, at least 2.
        how: ``saddle_max`` or ``saddle_sum`` (the pairs' saddle-point approximations), ``local`` (joint Gaussian
            limit, for near-ties), ``product`` (candidates are single code flips, taken side by side; see
            :func:`product_log_delta`) or ``bootstrap`` (trainings simulated by resampling the records; lower estimate).
        seed: of the draws of ``local``, ``product`` and ``bootstrap``.

    Returns:
        The logarithm (minus infinity for a single candidate), and diagnostics: ``rivals``, ``computed``, and for
        ``bootstrap`` the estimates ``lower`` and ``upper``.

    Raises:
        InputError: the matrix, ``n`` or ``how`` cannot be used.
    """
    if how not in HOW:
        raise InputError(f"how={how!r} is unknown", hint=f"one of {', '.join(HOW)}")
    if n < 2:
        raise InputError(f"n={n}: the training set needs at least 2 records")
    matrix, _ = dedupe(checked(losses, min_points=2))
    rivals = len(matrix) - 1
    if rivals == 0:
        return -math.inf, {"rivals": 0.0, "computed": 0.0}
    stats = pair_stats(matrix)
    if how in ("saddle_max", "saddle_sum"):
        logs, computed = _pair_log_deltas(matrix, stats, n=n)
        value = float(logs.max()) if how == "saddle_max" else _added(logs)
        # No K candidates leak more than 1 - 1/K (derived, exact).
        return min(value, math.log1p(-1.0 / len(matrix))), {"rivals": float(rivals), "computed": float(computed)}
    if how == "product":
        value = product_log_delta(matrix, n=n, base=stats.ref, seed=seed)
        return value, {"rivals": float(rivals), "computed": float(rivals)}
    rows = reachable(matrix, n)
    diagnostics = {"rivals": float(rivals), "computed": float(len(rows) - 1)}
    if how == "local":
        return local_log_delta(rows, n=n, seed=seed), diagnostics
    lower, upper = _simulated(rows, n=n, seed=seed)
    return (math.log(lower) if lower > 0 else -math.inf), diagnostics | {"lower": lower, "upper": upper}


def _pair_log_deltas(matrix: FloatArray, stats: PairStats, *, n: int) -> tuple[FloatArray, int]:
    """``log Delta_n`` of every pair, and the number of pairs computed by saddle point; the others are Gaussian."""
    logs = gauss_log_delta(np.maximum(stats.snr, 0.0), n=n)
    order = np.argsort(stats.snr, kind="stable")
    closest = max(float(stats.snr[order[0]]), 0.0)
    reach = 0.5 * n * (np.maximum(stats.snr[order], 0.0) ** 2 - closest**2) <= NEGLIGIBLE_NATS
    near = order[reach][:MAX_SADDLE]
    base = np.asarray(matrix[stats.ref], dtype=np.float64)
    for i in near:
        logs[i] = saddle_log_delta(matrix[stats.idx[i]] - base, n=n)
    return logs, len(near)


def _added(logs: FloatArray) -> float:
    return float(logsumexp(logs)) if float(logs.max()) > -math.inf else -math.inf


def _simulated(rows: FloatArray, *, n: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    points = rows.shape[1]
    # What all candidates share moves no argmin, and smaller numbers add up with less rounding.
    relative = (rows - rows[0]).astype(np.float64)
    law = np.full(points, 1.0 / points)
    sums = np.stack([relative @ rng.multinomial(n - 1, law) for _ in range(2 * SIMULATED)])
    targets = relative[:, rng.choice(points, size=min(TARGETS, points), replace=False)].T
    return mc_delta(sums[:SIMULATED], sums[SIMULATED:], targets)
