"""Attack arithmetic beside the way that others do it, in one run: ``pytest benchmarks/test_attacks.py -s``.

Times are medians of interleaved rounds on this machine; only the ratios travel. The other way is transcribed from
its published definition, computes the same numbers (asserted), and is given the same arrays.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm

from harness.attacks._class_thresholds import class_thresholds
from harness.attacks._lira import lira_offline
from harness.attacks._rmia import pairwise_exceedance
from harness.attacks._sr import sorted_pair

ROUNDS = 3
MIB = 2**20


def medians(functions: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each function, called in turn."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(t)) for name, t in times.items()}


def peak_mib(function: Callable[[], object]) -> float:
    """Largest memory that numpy and Python held beyond what they had."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / MIB


def table(title: str, seconds: dict[str, float], peaks: dict[str, float] | None = None) -> float:
    """Print the rows; gives back the second one's time over the first one's."""
    print(f"\n{title}")
    for name, t in seconds.items():
        memory = f"  peak {peaks[name]:8.1f} MiB" if peaks else ""
        print(f"  {name:44s} {1e3 * t:10.2f} ms{memory}")
    ours, theirs = list(seconds.values())
    print(
        f"  ratio {theirs / ours:.0f}x" + (f", memory {np.divide(*list(peaks.values())[::-1]):.0f}x" if peaks else "")
    )
    return theirs / ours


def test_rmia_beside_the_pairwise_formula() -> None:
    rng = np.random.default_rng(0)
    x, z = rng.lognormal(0, 1, 40_000), rng.lognormal(0, 1, 10_000)

    def ours() -> np.ndarray:
        return pairwise_exceedance(x, z, 2.0)

    def pairwise(rows: int = 4_000) -> np.ndarray:
        # In chunks of rows: the whole 40,000 x 10,000 array would be 3.2 GB.
        parts = [(x[i : i + rows, None] / z[None, :] > 2.0).mean(axis=1) for i in range(0, len(x), rows)]
        return np.concatenate(parts)

    assert ours().tobytes() == pairwise().tobytes()
    functions = {"edgeleak: sort and search": ours, "pairwise formula, chunks of 4,000": pairwise}
    peaks = {name: peak_mib(f) for name, f in functions.items()}
    ratio = table(
        "RMIA scores, 40,000 records, 10,000 of population (equal to the last bit)", medians(functions), peaks
    )
    assert ratio > 10
    assert peaks["edgeleak: sort and search"] < 40


def test_lira_beside_the_loop_over_records() -> None:
    rng = np.random.default_rng(1)
    logits, references = rng.normal(1, 2, 100_000), rng.normal(0, 2, (16, 100_000))
    out = np.ones(references.shape, dtype=bool)

    def ours() -> np.ndarray:
        return lira_offline(logits, references, out, per_record=True)

    def loop() -> np.ndarray:
        scores = np.empty(len(logits))
        for i in range(len(logits)):
            mine = references[:, i]
            scores[i] = (logits[i] - np.mean(mine)) / np.std(mine, ddof=1)
        return scores

    np.testing.assert_allclose(norm.cdf(ours()), norm.cdf(loop()), atol=1e-10)
    ratio = table(
        "LiRA offline, 100,000 records, 16 references, a variance for each record",
        medians({"edgeleak": ours, "loop over records": loop}),
    )
    assert ratio > 5


@pytest.mark.parametrize("classes", [10, 100])
def test_pair_features_beside_the_data_frame(classes: int) -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(2)
    n = 2_000
    p, q = (rng.dirichlet(np.ones(classes), n) for _ in range(2))
    labels = rng.integers(0, classes, n)

    def ours() -> np.ndarray:
        return sorted_pair(p, q, labels, with_label=True)

    def frame() -> np.ndarray:
        # One row appended at a time, an argsort per row, and a feature matrix grown row by row.
        rows = pandas.DataFrame(columns=["original", "variant", "label"])
        for i in range(n):
            rows.loc[len(rows)] = [p[i], q[i], labels[i]]
        features = np.empty((0, 3 * classes))
        for i in range(n):
            order = np.argsort(rows["original"][i], kind="stable")
            one_hot = np.zeros(classes)
            one_hot[rows["label"][i]] = 1.0
            row = np.concatenate([rows["original"][i][order], rows["variant"][i][order], one_hot[order]])
            features = np.concatenate([features, row[None, :]])
        return features

    np.testing.assert_array_equal(ours(), frame())
    ratio = table(
        f"SR2 features, {n:,} records, {classes} classes (the other way grows with the square of the records)",
        medians({"edgeleak": ours, "per-row data frame": frame}, rounds=1),
    )
    assert ratio > 10


def test_class_thresholds_beside_trying_every_value() -> None:
    rng = np.random.default_rng(3)
    n, classes = 20_000, 10
    labels, membership = rng.integers(0, classes, n), rng.integers(0, 2, n)
    scores = rng.normal(size=n) + 0.3 * membership

    def ours() -> np.ndarray:
        return class_thresholds(scores, membership, labels, classes)

    def every_value() -> np.ndarray:
        cuts = np.zeros(classes)
        for c in range(classes):
            inside, outside = (scores[(labels == c) & (membership == side)] for side in (1, 0))
            best = 0.0
            for value in np.concatenate([inside, outside]):
                accuracy = 0.5 * ((inside >= value).mean() + (outside < value).mean())
                if accuracy > best:
                    best, cuts[c] = accuracy, value
        return cuts

    def accuracies(cuts: np.ndarray) -> list[float]:
        own = [(scores[labels == c] >= cuts[c], membership[labels == c] == 1) for c in range(classes)]
        return [0.5 * (said[member].mean() + (~said)[~member].mean()) for said, member in own]

    np.testing.assert_allclose(accuracies(ours()), accuracies(every_value()), atol=1e-12)
    ratio = table(
        "Class thresholds, 20,000 records, 10 classes",
        medians({"edgeleak": ours, "every observed value tried": every_value}, rounds=1),
    )
    assert ratio > 10
