"""The records of a setting, and the random half of the pool that each network is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data import datasets
from harness.errors import InputError
from harness.types import IntArray
from studies.overfitted.settings import SEED, Setting

__all__ = ["StudyRecords", "membership", "read"]

# What a seeded generator is for, so that no two uses share one.
SHUFFLE, HALF = 1, 2


@dataclass(frozen=True, eq=False)
class StudyRecords:
    """The records in a random order: the pool, then the population, then those that calibrate int8.

    Args:
        inputs: float32 ``[records, ...]``.
        labels: true class, int64 ``[records]``.
        ids: of each record in its data set, int64 ``[records]``.
        n_classes: number of classes.
        pool: records of the pool.
        asked: records of pool and population together; these are answered.
    """

    inputs: NDArray[np.float32]
    labels: IntArray
    ids: IntArray
    n_classes: int
    pool: int
    asked: int


def read(setting: Setting, folder: Path) -> StudyRecords:
    """The first records of a data set in a random order.

    Raises:
        InputError: files are missing or damaged, or hold too few records.
    """
    source = datasets.load(setting.dataset, data_dir=folder)
    if isinstance(source, datasets.ImageFiles):
        raise InputError(f"{folder}: image files; the study reads arrays and texts")
    if len(source.labels) < setting.records:
        raise InputError(f"{folder}: {len(source.labels)} records, the setting {setting.name} takes {setting.records}")
    order = np.random.default_rng([SEED, SHUFFLE]).permutation(setting.records)
    if isinstance(source, datasets.TextDataset):
        inputs = _word_counts([source.inputs[row] for row in order], features=setting.features)
    else:
        inputs = source.inputs[order].astype(np.float32)
    return StudyRecords(
        inputs=inputs,
        labels=source.labels[order],
        ids=source.ids[order],
        n_classes=source.n_classes,
        pool=setting.pool,
        asked=setting.pool + setting.population,
    )


def membership(setting: Setting, network: int) -> IntArray:
    """1 for the pool's records that a network is trained on, ``[pool]``.

    Every network has a random half of its own. Halves that are balanced over the networks would give membership away:
    a record that few references were trained on would more likely be the target's.
    """
    member = np.zeros(setting.pool, dtype=np.int64)
    rng = np.random.default_rng([SEED, HALF, network])
    member[rng.permutation(setting.pool)[: setting.pool // 2]] = 1
    return member


def _word_counts(texts: list[str], *, features: int) -> NDArray[np.float32]:
    """Hashed word counts of unit length, ``[n, features]``: nothing about them is learned from any record."""
    from sklearn.feature_extraction.text import HashingVectorizer

    counts = HashingVectorizer(n_features=features, alternate_sign=False, norm="l2").transform(texts)
    return np.asarray(counts.toarray(), dtype=np.float32)
