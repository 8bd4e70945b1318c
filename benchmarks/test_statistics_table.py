"""How often do intervals miss the truth where scores tie, members are few, or the AUC is near 1? ``-q -s`` prints it.

One function a row: each simulates audits, judges them by the plain rule and by edgeleak's, and prints both shares. The
plain rule is what is usually done: DeLong's variance, and an interval symmetric on the logit scale; Clopper-Pearson at
the threshold that the records choose; Wilson's intervals, their halves squared and added; and the best of all cuts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.special import expit, logit, ndtr, ndtri

from benchmarks._uncorrected import uncorrected_epsilon
from harness.stats import (
    Roc,
    auc,
    auc_difference,
    balanced_accuracy,
    epsilon_lower,
    gdp_lower,
    null_calibration,
    one_run_epsilon,
    roc,
    tpr_at_fpr,
    wilson,
)
from harness.stats._auc import delong, placements_per_record

AUDITS = 1000
# Of about seventy results of an audit whose intervals hold together with 95%.
SIMULTANEOUS = 0.9993
LEVELS = (0.95, SIMULTANEOUS)
AREAS = (0.90, 0.95, 0.98, 0.99)
PERMUTATIONS = 500


def plain_auc(curve: Roc, level: float) -> tuple[float, float]:
    """DeLong's interval on the logit scale; from disjoint pairs where its variance is zero."""
    value, variance = delong(curve)
    if variance <= 0.0 or value in (0.0, 1.0):
        b = ((1.0 - level) / 2.0) ** (1.0 / min(curve.n_members, curve.n_nonmembers))
        return value * b, value * b + 1.0 - b
    half = -ndtri((1.0 - level) / 2.0) * math.sqrt(variance) / (value * (1.0 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def plain_difference(a: np.ndarray, b: np.ndarray, membership: np.ndarray, level: float) -> tuple[float, float]:
    """Paired DeLong."""
    member = membership == 1
    placements = placements_per_record(a, member) - placements_per_record(b, member)
    variance = sum(float(placements[side].var(ddof=1)) / side.sum() for side in (member, ~member))
    half = -ndtri((1.0 - level) / 2.0) * math.sqrt(variance)
    value = float(placements[member].mean())
    return value - half, value + half


def plain_p(scores: np.ndarray, membership: np.ndarray, rng: np.random.Generator) -> float:
    """Permutation p-value of DeLong's z; the permuted variances are those of quick sums of squares."""
    value, variance = delong(roc(scores, membership))
    observed = plain_z(value, variance)
    exceed = 0
    for _ in range(PERMUTATIONS):
        member = rng.permutation(membership) == 1
        placements = placements_per_record(scores, member)
        value = float(placements[member].mean())
        sides = (placements[member], placements[~member])
        variance = sum((float((side * side).mean()) - value * value) / (len(side) - 1) for side in sides)
        exceed += plain_z(value, variance) >= observed
    return (1 + exceed) / (1 + PERMUTATIONS)


def plain_z(value: float, variance: float) -> float:
    """Where the interval on the logit scale touches 0.5."""
    return abs(float(logit(value))) * value * (1.0 - value) / math.sqrt(variance) if variance > 1e-15 else 0.0


def membership_of(m: int, n: int) -> np.ndarray:
    return np.repeat([1, 0], [m, n])


def top_1(accuracy: float, records: int, rng: np.random.Generator) -> np.ndarray:
    """1 where the label was predicted."""
    return (rng.random(records) < accuracy).astype(np.float64)


def saturated(records: int, rng: np.random.Generator) -> np.ndarray:
    """Confidence of the label as an int8 softmax gives it: 256 steps, most records at the highest, 1% wrong."""
    logits = rng.normal(9.0, 1.0, records) * np.where(rng.random(records) < 0.99, 1.0, -1.0)
    return np.minimum(np.round(256 * expit(logits)), 255) / 256


def heading(name: str, *columns: str) -> None:
    """Print the names of the columns."""
    print(f"\n  {name:52}" + "".join(f"{column:>20}" for column in columns))


def row(name: str, plain: np.ndarray, ours: np.ndarray) -> None:
    """Print the shares of the plain rule and of ours."""
    print(f"  {name:52}" + "".join(f"{a:>12.1%}{b:>8.1%}" for a, b in zip(plain, ours, strict=True)))


def allowed(share: float, audits: int) -> float:
    """The largest share over the audits where the true one is this: three standard errors, and one audit."""
    return share + 3.0 * math.sqrt(share * (1.0 - share) / audits) + 1.0 / audits


def check(missed: np.ndarray) -> None:
    """Our shares of misses are nominal at most, up to chance."""
    for share, level in zip(missed, LEVELS, strict=True):
        assert share <= allowed(1.0 - level, AUDITS)


def curves(draw: str, m: int, n: int, audits: int) -> Iterator[Roc]:
    """One audit without leakage after another."""
    rng = np.random.default_rng([m, n, len(draw)])
    for _ in range(audits):
        scores = saturated(m + n, rng) if draw == "saturated" else top_1(float(draw), m + n, rng)
        yield roc(scores, membership_of(m, n))


def misses_one_half(name: str, draw: str, m: int, n: int) -> None:
    """A row: no leak, the AUC interval misses 0.5, at both levels."""
    plain, ours = np.zeros(2), np.zeros(2)
    for curve in curves(draw, m, n, AUDITS):
        for i, level in enumerate(LEVELS):
            low, high = plain_auc(curve, level)
            plain[i] += not low <= 0.5 <= high
            ours[i] += not auc(curve, level=level).holds(0.5)
    row(f"{name}, {m} + {n}", plain / AUDITS, ours / AUDITS)
    check(ours / AUDITS)


def misses_zero(name: str, m: int, n: int) -> None:
    """A row: no leak, the interval of a paired difference misses zero, at both levels."""
    rng = np.random.default_rng([m, n])
    membership = membership_of(m, n)
    plain, ours = np.zeros(2), np.zeros(2)
    for _ in range(AUDITS):
        original = top_1(0.99, m + n, rng)
        variant = original * top_1(0.99, m + n, rng)
        for i, level in enumerate(LEVELS):
            low, high = plain_difference(original, variant, membership, level)
            plain[i] += not low <= 0.0 <= high
            ours[i] += not auc_difference(original, variant, membership, level=level).holds(0.0)
    row(f"{name}, {m} + {n}", plain / AUDITS, ours / AUDITS)
    check(ours / AUDITS)


def smallest_p(accuracy: float, m: int, n: int, audits: int) -> None:
    """A row: no leak, the permutation p-value is the smallest that there is."""
    rng = np.random.default_rng([m, n])
    membership = membership_of(m, n)
    plain = ours = 0
    for _ in range(audits):
        scores = top_1(accuracy, m + n, rng)
        plain += plain_p(scores, membership, rng) == 1 / (1 + PERMUTATIONS)
        null = null_calibration({"a": scores}, membership, permutations=PERMUTATIONS)
        ours += null.max_z_p_value == 1 / (1 + PERMUTATIONS)
    row(f"top-1, {accuracy:.0%} right, {m} + {n}", np.array([plain / audits]), np.array([ours / audits]))
    assert ours / audits <= allowed(1 / (1 + PERMUTATIONS), audits)


def near_one(m: int, n: int, sd: float) -> None:
    """A row: 95% intervals that hold an AUC of .90, .95, .98 and .99; the members' standard deviation is ``sd``."""
    rng = np.random.default_rng([m, n, round(10 * sd)])
    membership = membership_of(m, n)
    plain, ours = np.zeros(len(AREAS)), np.zeros(len(AREAS))
    for i, area in enumerate(AREAS):
        shift = math.hypot(1.0, sd) * float(ndtri(area))
        for _ in range(AUDITS // 2):
            curve = roc(np.concatenate((rng.normal(shift, sd, m), rng.normal(size=n))), membership)
            low, high = plain_auc(curve, 0.95)
            plain[i] += low <= area <= high
            ours[i] += auc(curve).holds(area)
    shares = ours / (AUDITS // 2)
    row(f"{m} + {n}, members' standard deviation {sd:g}", plain / (AUDITS // 2), shares)
    assert shares.min() >= 1.0 - allowed(0.07, AUDITS // 2)


def misses_tpr(name: str, m: int, n: int, area: float, tie: tuple[float, float] = (0.0, 0.0)) -> None:
    """A row: the interval misses the TPR at 1% FPR; scores with a false-positive rate within ``tie`` are the same."""
    rng = np.random.default_rng([m, n, round(100 * area), round(1e4 * tie[1])])
    shift, membership = math.sqrt(2.0) * float(ndtri(area)), membership_of(m, n)
    reached = tie[0] if tie[0] <= 0.01 < tie[1] else 0.01
    truth = float(ndtr(ndtri(reached) + shift)) if reached > 0.0 else 0.0
    plain, ours, hidden = np.zeros(2), np.zeros(2), 0
    for _ in range(AUDITS):
        rates = ndtr(-(rng.normal(size=m + n) + shift * membership))
        curve = roc(-np.where((rates >= tie[0]) & (rates < tie[1]), tie[1], rates), membership)
        for i, level in enumerate(LEVELS):
            estimate = tpr_at_fpr(curve, 0.01, level=level)
            low, high = estimate.at_threshold
            plain[i] += not low <= truth <= high
            ours[i] += not estimate.holds(truth)
        hidden += not estimate.resolvable
    row(
        f"{name}, {m:,} + {n:,}" + (f"; {hidden / AUDITS:.0%} unresolved" if hidden else ""),
        plain / AUDITS,
        ours / AUDITS,
    )
    for share, most in zip(ours / AUDITS, (0.07, 1.2 * (1.0 - SIMULTANEOUS)), strict=True):
        assert share <= allowed(most, AUDITS)


def misses_accuracy(name: str, m: int, n: int, tpr: float, tnr: float) -> None:
    """A row: the interval misses the balanced accuracy of a cut with these rates."""
    rng = np.random.default_rng([m, n, round(1000 * tpr)])
    membership = membership_of(m, n)
    plain, ours = np.zeros(2), np.zeros(2)
    for _ in range(AUDITS):
        called = rng.random(m + n) < np.where(membership == 1, tpr, 1.0 - tnr)
        right = int(called[:m].sum()), n - int(called[m:].sum())
        for i, level in enumerate(LEVELS):
            (a, b), (c, d) = wilson(right[0], m, level=level), wilson(right[1], n, level=level)
            p, q = right[0] / m, right[1] / n
            low, high = (p + q - math.hypot(p - a, q - c)) / 2, (p + q + math.hypot(b - p, d - q)) / 2
            plain[i] += not low - 1e-12 <= (tpr + tnr) / 2 <= high + 1e-12
            estimate = balanced_accuracy(called.astype(float), membership, 0.5, level=level)
            ours[i] += not estimate.low - 1e-12 <= (tpr + tnr) / 2 <= estimate.high + 1e-12
    row(f"{name}, {m:,} + {n:,}", plain / AUDITS, ours / AUDITS)
    for share, most in zip(ours / AUDITS, (0.07, 1.2 * (1.0 - SIMULTANEOUS)), strict=True):
        assert share <= allowed(most, AUDITS)


def bounds_above_zero(name: str, m: int, n: int) -> None:
    """A row: no leak, the bound of epsilon, of mu and of epsilon from one run is above zero."""
    rng = np.random.default_rng([m, n])
    plain, ours = 0, np.zeros(3)
    for _ in range(AUDITS):
        scores = rng.normal(size=m + n)
        curve = roc(scores, membership_of(m, n))
        plain += uncorrected_epsilon(curve) > 0.0
        ours[0] += epsilon_lower(curve).value > 0.0
        ours[1] += gdp_lower(curve).value > 0.0
        ours[2] += one_run_epsilon(scores, rng.integers(0, 2, m + n)).value > 0.0
    row(f"{name}, {m:,} + {n:,}", np.full(3, plain / AUDITS), ours / AUDITS)
    assert (ours / AUDITS).max() <= allowed(0.05, AUDITS)


@pytest.mark.timeout(600)
def test_intervals_without_leakage() -> None:
    """Where scores tie, and nothing leaks."""
    print(f"\nNothing leaks, {AUDITS:,} audits a row, members + non-members; plain, edgeleak")
    heading("AUC intervals that miss .5", "95%", "99.93%")
    for draw, m, n in (("0.99", 50, 1000), ("0.995", 100, 2000), ("0.99", 200, 4000), ("0.99", 50, 50)):
        misses_one_half(f"top-1, {float(draw):.1%} right", draw, m, n)
    for m, n in ((50, 1000), (100, 2000), (1000, 1000)):
        misses_one_half("int8 softmax, most at the highest step", "saturated", m, n)
    heading("paired differences that miss zero", "95%", "99.93%")
    misses_zero("two top-1 scores, 1% of them differ", 50, 1000)
    heading(f"p-values of 1 in {1 + PERMUTATIONS}, fewer audits", "chance .2%")
    smallest_p(0.99, 50, 50, 200)
    smallest_p(0.99, 200, 2000, 50)


@pytest.mark.timeout(600)
def test_intervals_near_one() -> None:
    """Where nearly every member outscores nearly every non-member."""
    print(f"\nNormal scores, {AUDITS // 2:,} audits a cell, members + non-members; plain, edgeleak")
    heading("95% intervals that hold the AUC", *(f"AUC {area}" for area in AREAS))
    for m, n, sd in ((25, 500, 1.0), (50, 1000, 1.0), (50, 1000, 0.5), (50, 1000, 2.0), (50, 50, 1.0)):
        near_one(m, n, sd)


@pytest.mark.timeout(600)
def test_rates_and_bounds() -> None:
    """TPR at a low FPR, balanced accuracy, and bounds of epsilon."""
    print(f"\n{AUDITS:,} audits a row, members + non-members; plain, edgeleak")
    heading("intervals that miss the TPR at 1% FPR", "95%", "99.93%")
    misses_tpr("no leak", 1000, 1000, 0.5)
    misses_tpr("AUC .70", 1000, 1000, 0.7)
    misses_tpr("AUC .95", 10_000, 1000, 0.95)
    misses_tpr("AUC .95, tie of .99%", 1000, 1000, 0.95, tie=(0.0, 0.0099))
    misses_tpr("AUC .70, tie of .4-1.1%", 1000, 1000, 0.7, tie=(0.004, 0.011))
    heading("intervals that miss the balanced accuracy", "95%", "99.93%")
    misses_accuracy("rates of 60%", 200, 200, 0.6, 0.6)
    misses_accuracy("top-1, 99% right", 50, 1000, 0.99, 0.01)
    misses_accuracy("both rates 99%", 50, 1000, 0.99, 0.99)
    heading("no leak: bounds above zero", "epsilon", "mu", "epsilon, one run")
    bounds_above_zero("all cuts tried", 500, 500)
    bounds_above_zero("all cuts tried", 50, 1000)
