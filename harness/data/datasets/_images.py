"""Image files, decoded only for records with a role, and the fixed normalisation of images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data._text_files import read_bytes
from harness.data.datasets._dataset import Dataset, Labelled
from harness.errors import InputError
from harness.packages import require
from harness.types import IntArray

__all__ = ["IMAGENET", "SIDE", "ImageFiles", "normalised"]

MAX_GREY = np.float32(255.0)
# Side of a decoded image.
SIDE = 64
# Channel means and standard deviations of ImageNet's training set, the usual constants for photographs.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Larger images are refused: a classifier for phones has none, and decoding them takes gigabytes.
MOST_FILE_BYTES = 32 << 20
MOST_PIXELS = 50_000_000
# Pillow decodes without Python's global lock; more threads than this only wait for the disk.
THREADS = 4


@dataclass(frozen=True, eq=False)
class ImageFiles(Labelled[Sequence[Path]]):
    """Labelled image files.

    They are decoded after the split, and only those with a role: a hundred thousand images of 64 x 64 take five
    gigabytes in float32, in every process that trains a model. Copies are files with equal bytes; the same picture
    compressed again counts as another one.

    Args:
        inputs: one file per record.
        mean: mean of each channel, for pixels in 0..1; fixed, so that preprocessing does not depend on the split.
        std: standard deviation of each channel, fixed too.
        name: see :class:`Labelled`, as the other arguments.
    """

    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]

    def content(self, row: int) -> bytes:
        """The file's bytes."""
        return read_bytes(self.inputs[row], most=MOST_FILE_BYTES)

    def decoded(self, ids: IntArray) -> Dataset:
        """The records with these ids as RGB images of 64 x 64, in that order; others are resized (bilinear).

        Raises:
            InputError: a file is not a readable image.
            DependencyError: Pillow is not installed.
        """
        require("PIL", extra="images")
        rows = self.rows(ids)
        with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as threads:
            warnings.simplefilter("ignore")  # Pillow warns about metadata; damaged images are errors
            pixels = np.stack(list(threads.map(partial(_decode, side=SIDE), [self.inputs[row] for row in rows])))
        return self.with_inputs(normalised(pixels.transpose(0, 3, 1, 2), mean=self.mean, std=self.std), rows)


def normalised(pixels: NDArray[np.uint8], *, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """Normalise bytes ``[n, C, H, W]`` to float32 of about unit scale, with one mean and deviation per channel."""
    # The 256 grey levels are normalised once per channel and looked up, so no array is larger than the result.
    grey = np.arange(256, dtype=np.float32) / MAX_GREY
    values = np.empty(pixels.shape, dtype=np.float32)
    for channel, (shift, scale) in enumerate(zip(mean, std, strict=True)):
        values[:, channel] = ((grey - np.float32(shift)) / np.float32(scale))[pixels[:, channel]]
    return values


def _decode(path: Path, *, side: int) -> NDArray[np.uint8]:
    """Decode one file to bytes ``[side, side, 3]``."""
    from PIL import Image

    if path.stat().st_size > MOST_FILE_BYTES:
        raise InputError(f"{path}: larger than {MOST_FILE_BYTES:,} bytes", hint="replace or remove the file")
    try:
        with Image.open(path) as image:
            # The header is checked before memory is allocated: a few bytes may claim a picture of gigabytes.
            if image.width * image.height > MOST_PIXELS:
                raise InputError(f"{path}: {image.width} x {image.height} pixels, at most {MOST_PIXELS:,} are decoded")
            rgb = image.convert("RGB")
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds for damaged bytes
        raise InputError(f"{path}: not a readable image: {error}", hint="replace or remove the file") from None
    if rgb.size != (side, side):
        rgb = rgb.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(rgb, dtype=np.uint8)
