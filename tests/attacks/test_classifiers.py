"""Classifiers behind the learned attacks: the same bits with any number of threads, and fewer rows a tree."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.attacks import _classifiers
from harness.attacks._classifiers import sklearn_trainer
from harness.types import IntArray


def rows(n: int) -> tuple[NDArray[np.float32], IntArray, IntArray]:
    rng = np.random.default_rng(n)
    y = rng.integers(0, 2, n)
    x = (rng.normal(size=(n, 4)) + 0.5 * y[:, None]).astype(np.float32)
    return x, y, rng.permutation(n) % 5


@pytest.mark.parametrize("kind", ["rf", "gbt", "lr", "dt"])
def test_the_number_of_threads_changes_no_bit_of_the_scores(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_classifiers, "SCORE_ROWS", 100)  # several parts, so that threads have something to share
    x, y, fold = rows(400)
    one, two = (sklearn_trainer(kind, seed=3, n_jobs=jobs)(x, y, fold) for jobs in (1, 2))
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1](x).tobytes() == two[1](x).tobytes()


def test_a_large_forest_draws_fewer_rows_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, fold = rows(600)
    whole, _ = sklearn_trainer("rf", seed=3, n_jobs=1)(x, y, fold)
    monkeypatch.setattr(_classifiers, "FOREST_ROWS", 200)
    capped, score = sklearn_trainer("rf", seed=3, n_jobs=1)(x, y, fold)
    assert (whole != capped).any()
    assert np.corrcoef(whole, capped)[0, 1] > 0.9
    assert len(score(x)) == 600
