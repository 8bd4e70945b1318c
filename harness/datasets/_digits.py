"""Scikit-learn's handwritten digits: the embedded data set, 1,797 images of 8 x 8."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.datasets._registry import Dataset, register

__all__: list[str] = []

# Grey levels are counts of set pixels in 4 x 4 blocks of the original scans.
GREY_LEVELS = 16.0
# Mean and standard deviation of the scaled images; fixed, so that preprocessing does not depend on the split.
MEAN = 0.30526
STD = 0.37605
N_CLASSES = 10


@register("digits")
def _load(_data_dir: Path | None) -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images[:, np.newaxis] / GREY_LEVELS - MEAN) / STD
    labels = bunch.target.astype(np.int64)
    return Dataset("digits", images.astype(np.float32), labels, np.arange(len(labels), dtype=np.int64), N_CLASSES)
