"""k-means on the line beside scikit-learn's, on weights of one large layer: ``pytest benchmarks/test_kmeans.py -s``.

2.36 million weights, ResNet-18's largest convolution, drawn as trained ones are spread: mostly small, with heavy tails.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.cluster import KMeans

from benchmarks._timing import medians, table
from harness.compression._kmeans import kmeans_line

SHAPE = (512, 512, 3, 3)
OURS = "edgeleak"
# One start is scikit-learn's default, and a local optimum; ten were its default before.
STARTS = {"scikit-learn, one k-means++ start": 1, "scikit-learn, ten": 10}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("k", [4, 16])
def test_clustering_a_large_layer(k: int) -> None:
    layer = (0.02 * np.random.default_rng(0).standard_t(5, size=SHAPE)).astype(np.float32)
    column = layer.reshape(-1, 1).astype(np.float64)
    inertia = {}

    def ours() -> None:
        ids, codebook = kmeans_line(layer, k=k)
        inertia[OURS] = float(((layer.astype(np.float64) - codebook[ids]) ** 2).sum())

    def theirs(name: str) -> None:
        inertia[name] = float(KMeans(k, n_init=STARTS[name], random_state=0).fit(column).inertia_)

    seconds = medians({OURS: ours} | {name: partial(theirs, name) for name in STARTS})
    notes = {name: f"inertia {value:.4f}" for name, value in inertia.items()}
    ratios = table(f"{layer.size:,} weights, {k} clusters", seconds, notes)
    assert all(inertia[OURS] <= inertia[name] * (1 + 1e-6) for name in STARTS)
    assert all(ratios[name] > 1 for name in STARTS)
