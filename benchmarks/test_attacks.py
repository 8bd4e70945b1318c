"""Attacks beside the way that others do them, in one run: ``pytest benchmarks/test_attacks.py -q -s``.

Times are medians of interleaved rounds, processor time with one thread each; only the ratios travel. The other way is
the tool itself where ``make peers`` has installed it. Elsewhere it is transcribed from its published definition,
computes the same numbers (asserted), and is given the same arrays.
"""

from __future__ import annotations

import numpy as np
import psutil
import pytest
import sklearn
from scipy.stats import norm

from benchmarks._peers import Peer
from benchmarks._timing import Timed, medians, peak_mib, table
from harness.attacks._cache import Cache
from harness.attacks._class_thresholds import class_thresholds
from harness.attacks._classifiers import make_classifier
from harness.attacks._gbt import BoostedTrees, label_aligned_features
from harness.attacks._lira import lira_offline
from harness.attacks._rmia import pairwise_exceedance
from harness.attacks._sr import sorted_pair
from harness.stats import auc, roc
from harness.types import Observations

# The other ways take minutes where the machine is busy.
pytestmark = pytest.mark.timeout(1800)

# The whole array of quotients, its comparison and what else is in memory.
WHOLE_ARRAY_BYTES = 6e9


def test_rmia_beside_the_pairwise_formula() -> None:
    rng = np.random.default_rng(0)
    x, z = rng.lognormal(0, 1, 40_000), rng.lognormal(0, 1, 10_000)

    def ours() -> np.ndarray:
        return pairwise_exceedance(x, z, 2.0)

    def pairwise() -> np.ndarray:
        return (x[:, None] / z[None, :] > 2.0).mean(axis=1)

    def chunked(rows: int = 4_000) -> np.ndarray:
        parts = [(x[i : i + rows, None] / z[None, :] > 2.0).mean(axis=1) for i in range(0, len(x), rows)]
        return np.concatenate(parts)

    functions = {"edgeleak": ours, "the formula": pairwise, "the formula, 4,000 records at a time": chunked}
    if psutil.virtual_memory().available < WHOLE_ARRAY_BYTES:
        del functions["the formula"]
    for function in functions.values():
        assert ours().tobytes() == function().tobytes()
    peaks = {name: peak_mib(f) for name, f in functions.items()}
    ratios = table(
        "RMIA, 40,000 records against a population of 10,000, equal to the last bit",
        medians(functions),
        {name: f"{peak:8.1f} MiB" for name, peak in peaks.items()},
    )
    assert min(list(ratios.values())[1:]) > 100
    assert peaks["edgeleak"] < 40


def test_lira_beside_loops_over_records() -> None:
    rng = np.random.default_rng(1)
    logits, references = rng.normal(1, 2, 100_000), rng.normal(0, 2, (16, 100_000))
    out = np.ones(references.shape, dtype=bool)

    def ours() -> np.ndarray:
        return lira_offline(logits, references, out, per_record=True)

    def gathered() -> np.ndarray:
        # Each record's references are picked one record at a time; mean and deviation are taken of all at once.
        mine = np.array([references[out[:, i], i] for i in range(len(logits))])
        return (logits - mine.mean(axis=1)) / mine.std(axis=1, ddof=1)

    def loop() -> np.ndarray:
        scores = np.empty(len(logits))
        for i in range(len(logits)):
            mine = references[:, i]
            scores[i] = (logits[i] - np.mean(mine)) / np.std(mine, ddof=1)
        return scores

    for other in (gathered, loop):
        np.testing.assert_allclose(norm.cdf(ours()), norm.cdf(other()), atol=1e-10)
    ratios = table(
        "LiRA offline, 100,000 records, 16 references, a variance for each record",
        medians({"edgeleak": ours, "references picked by record": gathered, "mean and deviation by record": loop}),
    )
    assert ratios["references picked by record"] > 2
    assert ratios["mean and deviation by record"] > 5


def answers(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences of 10 classes, labels and membership; members' true class stands out more, AUC about .70."""
    labels, membership = rng.integers(0, 10, n), np.repeat([1, 0], n // 2)
    logits = rng.normal(0, 1.5, (n, 10))
    logits[np.arange(n), labels] += rng.normal(3, 1, n) + 1.4 * membership
    confidences = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidences /= confidences.sum(axis=1, keepdims=True)
    return confidences.astype(np.float32), labels, membership


@pytest.mark.parametrize("n", [10_000, 50_000])
def test_boosted_trees_beside_the_forest_of_art(art: Peer, n: int) -> None:
    rng = np.random.default_rng(n)
    confidences, labels, membership = answers(n, rng)
    asked, asked_labels, truth = answers(n, rng)

    def observed() -> tuple[Observations, Observations]:
        shadow = Observations(labels=labels, confidences={"original": confidences}, membership=membership)
        return shadow, Observations(labels=asked_labels, confidences={"original": asked})

    def ours() -> np.ndarray:
        shadow, target = observed()
        return BoostedTrees(["original"]).fit([shadow]).score(target)

    def without_cut() -> np.ndarray:
        shadow, target = (label_aligned_features(o, "original", Cache()) for o in observed())
        model = make_classifier("gbt", seed=0, n_jobs=1)
        model.fit(shadow, membership)
        return np.asarray(model.decision_function(target))  # type: ignore[attr-defined]

    def forest() -> Timed:
        return art(
            confidences=confidences,
            labels=labels,
            membership=membership,
            target_confidences=asked,
            target_labels=asked_labels,
        )

    names = ("edgeleak gbt, with the cut's folds", "ART random forest", "edgeleak gbt, one fit, no cut")
    scores = dict(zip(names, (ours(), forest().values["scores"], without_cut()), strict=True))
    np.testing.assert_array_equal(scores[names[0]], scores[names[2]])
    found = {name: auc(roc(s, truth)).value for name, s in scores.items()}
    versions = dict(zip(names, (f"scikit-learn {sklearn.__version__}", art.versions, ""), strict=True))
    seconds = medians(dict(zip(names, (ours, forest, without_cut), strict=True)))
    ratios = table(
        f"Learned attack, {n:,} shadow records to fit and {n:,} to score, 10 classes",
        seconds,
        {name: f"AUC {value:.3f}  {versions[name]}" for name, value in found.items()},
    )
    print(f"  {names[1]} / {names[2]}: {seconds[names[1]] / seconds[names[2]]:.0f}x")
    assert found[names[0]] >= found[names[1]]
    assert ratios[names[1]] > 3


@pytest.mark.parametrize("classes", [10, 100])
def test_pair_features_and_class_thresholds_beside_rows_of_a_data_frame(classes: int) -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(2)
    n = 4_000
    p, q = (rng.dirichlet(np.ones(classes), n) for _ in range(2))
    labels, membership = rng.integers(0, classes, n), rng.integers(0, 2, n)
    scores = rng.normal(size=n) + 0.3 * membership

    def ours() -> tuple[np.ndarray, np.ndarray]:
        features = sorted_pair(p, q, labels, with_label=True)
        return features, class_thresholds(scores, membership, labels, classes, min_side=1)

    def frame() -> tuple[np.ndarray, np.ndarray]:
        # One row appended at a time, an argsort per row, a feature matrix grown row by row (its time grows with the
        # square of the records), every value tried as a cut.
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
        cuts = np.zeros(classes)
        for c in range(classes):
            inside, outside = (scores[(labels == c) & (membership == side)] for side in (1, 0))
            best = 0.0
            for value in np.concatenate([inside, outside]):
                accuracy = 0.5 * ((inside >= value).mean() + (outside < value).mean())
                if accuracy > best:
                    best, cuts[c] = accuracy, value
        return features, cuts

    def accuracies(cuts: np.ndarray) -> list[float]:
        own = [(scores[labels == c] >= cuts[c], membership[labels == c] == 1) for c in range(classes)]
        return [0.5 * (said[member].mean() + (~said)[~member].mean()) for said, member in own]

    (features, cuts), (other_features, other_cuts) = ours(), frame()
    np.testing.assert_array_equal(features, other_features)
    np.testing.assert_allclose(accuracies(cuts), accuracies(other_cuts), atol=1e-12)
    ratios = table(
        f"SR2 features and class thresholds, {n:,} records, {classes} classes",
        medians({"edgeleak": ours, "rows of a data frame": frame}),
    )
    assert ratios["rows of a data frame"] > 30
