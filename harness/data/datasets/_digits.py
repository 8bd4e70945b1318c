"""Scikit-learn's handwritten digits: the built-in data set, 1,797 images of 8 x 8.

The same records are available for every kind of model, so that each can be tried without a file: as larger images, as a
table of 64 values, and as texts whose words are the pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.data.datasets._dataset import Dataset, TextDataset
from harness.data.datasets._registry import Place, register
from harness.types import IntArray

__all__: list[str] = []

# Grey levels are counts of set pixels in 4 x 4 blocks of the original scans.
GREY_LEVELS = 16.0
# Mean and standard deviation of the scaled images; fixed, so that preprocessing does not depend on the split.
MEAN = 0.30526
STD = 0.37605
N_CLASSES = 10
# Side of the enlarged images: four times the original's.
ENLARGED = 4
# The grey levels as words, one per pixel, row by row, for networks for text.
WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight"),
    *("nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "full"),
)


@register("digits")
def _load(place: Place) -> Dataset:
    return _dataset(place, _images())


@register("digits-32")
def _load_enlarged(place: Place) -> Dataset:
    return _dataset(place, _images().repeat(ENLARGED, axis=2).repeat(ENLARGED, axis=3))


@register("digits-table")
def _load_table(place: Place) -> Dataset:
    images = _images()
    return _dataset(place, images.reshape(len(images), -1))


@register("digits-words")
def _load_words(place: Place) -> TextDataset:
    levels, labels = _raw()
    texts = [" ".join(WORDS[int(level)] for level in image.ravel()) for image in levels]
    return TextDataset(place.name, texts, labels, np.arange(len(labels), dtype=np.int64), N_CLASSES)


def _dataset(place: Place, inputs: NDArray[np.float32]) -> Dataset:
    _, labels = _raw()
    return Dataset(place.name, inputs, labels, np.arange(len(labels), dtype=np.int64), N_CLASSES)


def _images() -> NDArray[np.float32]:
    levels, _ = _raw()
    return ((levels[:, np.newaxis] / GREY_LEVELS - MEAN) / STD).astype(np.float32)


def _raw() -> tuple[NDArray[np.float64], IntArray]:
    """Grey levels `[n, 8, 8]` and labels `[n]`."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images, bunch.target.astype(np.int64)
