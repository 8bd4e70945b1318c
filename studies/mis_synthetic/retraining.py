"""The true leakage by retraining: the best of a quantizer's candidates, chosen again on many fresh training sets.

Records are mixtures of Gaussians in R^128, several modes a class, and the learner takes the candidate of least mean
log loss. Candidates are what a quantizer makes of logistic regressions on bootstrap samples, so their codes are where
training can land.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness import mis
from harness.compression import grids
from harness.types import FloatArray, IntArray
from studies._shared import linear

__all__ = ["QUANTIZERS", "Mixture", "best_accuracy", "candidates", "draw_mixture", "losses", "retrained"]

DIMENSIONS, CLASSES, MODES = 128, 4, 3
# Length of a mode's mean, in standard deviations of the noise: classes overlap a little.
SEPARATION = 3.0
RIDGE = 1e-3
QUANTIZERS = (
    "sign",
    "ternary-0.33",
    "ternary-0.9",
    "uniform-2",
    "uniform-2-channel",
    "uniform-3",
    "uniform-4",
    "uniform-4-channel",
    "uniform-8",
)
# Training sets simulated at once; bounds memory.
CHUNK = 100


@dataclass(frozen=True, eq=False)
class Mixture:
    """One law: mean of each mode of each class, ``[classes, modes, d]``; noise of variance one."""

    means: FloatArray

    def records(self, count: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
        """Fresh records ``[count, d]`` and their classes."""
        classes, modes, dimensions = self.means.shape
        labels = rng.integers(0, classes, count)
        features = self.means[labels, rng.integers(0, modes, count)] + rng.standard_normal((count, dimensions))
        return features, labels


def draw_mixture(seed: int) -> Mixture:
    """A law from one seed."""
    directions = np.random.default_rng(seed).standard_normal((CLASSES, MODES, DIMENSIONS))
    return Mixture(SEPARATION * directions / np.linalg.norm(directions, axis=2, keepdims=True))


def candidates(mixture: Mixture, *, count: int, size: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Each quantizer's candidates, ``[count, classes, d]``: the same bootstrap refits, levels fitted on the first."""
    features, labels = mixture.records(size, rng)
    refits = []
    for number in range(count):
        rows = np.arange(size) if number == 0 else rng.integers(0, size, size)
        refits.append(linear.fit(features[rows], labels[rows], classes=CLASSES, ridge=RIDGE))
    quantized = {}
    for name in QUANTIZERS:
        grid = grids.fit(refits[0], name)
        quantized[name] = np.stack([grid.quantize(weights) for weights in refits])
    return quantized


def losses(weights: FloatArray, features: FloatArray, labels: IntArray) -> FloatArray:
    """Log losses ``[K, N]`` of candidates ``[K, classes, d]``."""
    return linear.losses(linear.predict(weights, features), labels, classes=CLASSES)


def retrained(
    mixture: Mixture,
    of: Mapping[str, FloatArray],
    *,
    sizes: Sequence[int],
    trainings: int,
    targets: int,
    rng: np.random.Generator,
) -> dict[tuple[str, int], tuple[float, float]]:
    """True ``Delta_n`` between its two estimates, for each quantizer and training-set size.

    Args:
        mixture: the law.
        of: quantizer -> candidates ``[K, classes, d]``.
        sizes: training-set sizes n.
        trainings: simulated training sets; smaller ones are parts of the larger.
        targets: records whose presence is tried in each of them.
        rng: source of all records.

    Returns:
        (quantizer, n) -> estimates that lie below and above the truth in expectation.
    """
    sums = {(name, n): np.empty((trainings, len(weights))) for name, weights in of.items() for n in sizes}
    for begin, (features, labels) in zip(
        range(0, trainings, CHUNK), _training_sets(mixture, sizes, trainings, rng), strict=True
    ):
        count = len(labels)
        for name, weights in of.items():
            each = losses(weights, features.reshape(-1, DIMENSIONS), labels.reshape(-1))
            total = each.reshape(len(weights), count, -1).cumsum(axis=2)
            for n in sizes:
                sums[name, n][begin : begin + count] = total[:, :, n - 2].T
    features, labels = mixture.records(targets, rng)
    half = trainings // 2
    return {
        (name, n): mis.mc_delta(of_n[:half], of_n[half:], losses(of[name], features, labels).T)
        for (name, n), of_n in sums.items()
    }


def _training_sets(
    mixture: Mixture, sizes: Sequence[int], trainings: int, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, IntArray]]:
    """Training sets short of their one target record, a chunk at a time: ``[sets, n - 1, d]`` and classes."""
    largest = max(sizes) - 1
    for begin in range(0, trainings, CHUNK):
        count = min(CHUNK, trainings - begin)
        features, labels = mixture.records(count * largest, rng)
        yield features.reshape(count, largest, -1), labels.reshape(count, largest)


def best_accuracy(weights: FloatArray, losses: FloatArray, features: FloatArray, labels: IntArray) -> float:
    """Accuracy on records of the candidate that loses least on them."""
    best = weights[int(losses.mean(axis=1).argmin())]
    return float(linear.accuracy(linear.predict(best, features), labels))
