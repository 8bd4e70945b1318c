"""k-means on the line against every partition, and against the general algorithm."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from harness.compression._kmeans import kmeans_line
from harness.types import IntArray


def _cost(values: NDArray[np.float32], ids: IntArray, codebook: NDArray[np.float32]) -> float:
    return float(((values.astype(np.float64) - codebook[ids]) ** 2).sum())


def _optimum(values: NDArray[np.float32], k: int) -> float:
    """Least cost over every cut of the sorted values into k intervals (or fewer, where there are fewer values)."""
    x = np.sort(values.astype(np.float64))
    k = min(k, len(x))
    return min(
        float(sum(((part - part.mean()) ** 2).sum() for part in np.split(x, cuts)))
        for cuts in itertools.combinations(range(1, len(x)), k - 1)
    )


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=9), st.integers(2, 4))
def test_few_values_are_clustered_optimally(numbers: list[int], k: int) -> None:
    values = (np.array(numbers) / 8).astype(np.float32)
    ids, codebook = kmeans_line(values, k=k)
    assert _cost(values, ids, codebook) == pytest.approx(_optimum(values, k), abs=1e-5)
    assert (np.diff(codebook) > 0).all()
    assert len(codebook) == min(k, len(set(numbers)))
    assert set(ids) == set(range(len(codebook)))


@pytest.mark.parametrize("k", [2, 16, 256])
def test_many_values_are_clustered_at_least_as_well_as_by_the_general_algorithm(k: int) -> None:
    values = np.random.default_rng(k).standard_t(4, size=(40, 9, 25)).astype(np.float32)
    ids, codebook = kmeans_line(values, k=k)
    general = KMeans(k, n_init=1, random_state=0).fit(values.reshape(-1, 1))
    assert ids.shape == values.shape
    assert len(codebook) == k == len(np.unique(ids))
    assert _cost(values, ids, codebook) <= general.inertia_ * 1.01
    # Every value belongs to its nearest mean.
    nearest = np.abs(values.reshape(-1, 1) - codebook).argmin(1)
    own = np.abs(values.reshape(-1) - codebook[ids.reshape(-1)])
    np.testing.assert_allclose(own, np.abs(values.reshape(-1) - codebook[nearest]), atol=1e-5)


def test_neighbouring_float32_values_never_give_equal_means() -> None:
    values = np.array([1.0, np.nextafter(np.float32(1), np.float32(2)), 5.0], dtype=np.float32)
    ids, codebook = kmeans_line(np.repeat(values, 3), k=3)
    assert len(codebook) == len(np.unique(codebook)) == len(np.unique(ids))
