"""The records of a setting, and the random half of the pool that each network is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data import datasets
from harness.errors import InputError
from harness.types import IntArray
from studies.bits_for_privacy.settings import SEED, Setting

__all__ = ["StudyRecords", "membership", "read"]

# What a seeded generator is for, so that no two uses share one.
SHUFFLE, HALF = 1, 2
IMAGE_AXES = 4


@dataclass(frozen=True, eq=False)
class StudyRecords:
    """The records in a random order: the pool, then the population, then those that calibrate int8.

    Args:
        inputs: float32 ``[records, ...]``.
        labels: true class, int64 ``[records]``.
        n_classes: number of classes.
    """

    inputs: NDArray[np.float32]
    labels: IntArray
    n_classes: int


def read(setting: Setting, place: Path) -> StudyRecords:
    """Records of a data set, drawn at random.

    Raises:
        InputError: files are missing or damaged, hold too few records, or hold texts.
    """
    source = datasets.load(setting.name, data_dir=place)
    if not isinstance(source, datasets.Dataset):
        raise InputError(f"{place}: the study reads arrays of numbers", hint=f"give the files of {setting.name}")
    if len(source.labels) < setting.records:
        raise InputError(
            f"{place}: {len(source.labels)} records, the setting {setting.name} takes {setting.records}",
            hint="give the whole data set",
        )
    rows = np.random.default_rng([SEED, SHUFFLE]).permutation(len(source.labels))[: setting.records]
    inputs = _shrunk(source.inputs[rows].astype(np.float32), setting.shrink)
    return StudyRecords(inputs, source.labels[rows], source.n_classes)


def membership(setting: Setting, network: int) -> IntArray:
    """1 for the pool's records that a network is trained on, ``[pool]``.

    Every network has a random half of its own. Halves that are balanced over the networks would give membership away:
    a record that few references were trained on would more likely be the target's.
    """
    member = np.zeros(setting.pool, dtype=np.int64)
    member[np.random.default_rng([SEED, HALF, network]).permutation(setting.pool)[: setting.pool // 2]] = 1
    return member


def _shrunk(inputs: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Images whose pixels are means of squares; anything else, and a side of 1, is left as it is."""
    if side == 1 or inputs.ndim != IMAGE_AXES:
        return inputs
    n, channels, height, width = inputs.shape
    squares = inputs.reshape(n, channels, height // side, side, width // side, side)
    return np.ascontiguousarray(squares.mean(axis=(3, 5)), dtype=np.float32)
