"""Every architecture at a small width, and the digits as records of the kind that it takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from harness import models
from harness.data import datasets
from harness.training import Inputs
from harness.types import IntArray

DIGITS = datasets.load("digits")
assert isinstance(DIGITS, datasets.Dataset)
# The digits as every test takes them: images of 8 x 8 pixels, float32 ``[1797, 1, 8, 8]``, and their classes.
PIXELS: NDArray[np.float32] = DIGITS.inputs.astype(np.float32, copy=False)
LABELS = DIGITS.labels
IMAGES = ("cnn", "densenet121", "mobilenetv2", "resnet18", "resnet50", "vgg16-bn")
TEXTS = ("bert", "gpt2")
SMALL = {"densenet121": 4, "mobilenetv2": 8, "mlp": 16, "bert": 16, "gpt2": 16}
# A digit as text: the list of its bright pixels.
SEQUENCE, VOCABULARY = 40, 65


def build(name: str, *, shape: tuple[int, ...], n_classes: int = 10, seed: int = 0, width: int = 0) -> nn.Module:
    return models.build(
        name,
        n_classes=n_classes,
        in_shape=shape,
        width=width or SMALL.get(name, 4),
        seed=seed,
        vocabulary=VOCABULARY if name in TEXTS else 0,
    )


def digits(name: str, n: int) -> tuple[Inputs, IntArray]:
    """The first digits as the records that an architecture takes."""
    images, labels = PIXELS[:n], LABELS[:n]
    if name in IMAGES:
        return images, labels
    rows = images.reshape(n, -1)
    if name == "mlp":
        return rows, labels
    ids = np.zeros((n, SEQUENCE), dtype=np.int64)
    for row, pixels in enumerate(rows):
        bright = np.flatnonzero(pixels > rows.mean())[:SEQUENCE]
        ids[row, : len(bright)] = 1 + bright
    return ids, labels
