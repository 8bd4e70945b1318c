"""Images: the fixed normalisation, and image files that are decoded only where a record has a role."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.datasets._dataset import Dataset, Labelled
from harness.data._text_files import read_bytes, require
from harness.errors import InputError
from harness.types import IntArray

__all__ = ["IMAGENET", "SIDE", "ImageFiles", "normalised"]

MAX_GREY = np.float32(255.0)
# Side of a decoded image.
SIDE = 64
# Channel means and standard deviations of ImageNet's training set, the usual constants for photographs.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# An image larger than this, in its file or in its pixels, is no record of a classifier for phones.
MOST_FILE_BYTES = 32 << 20
MOST_PIXELS = 50_000_000
# Pillow decodes outside Python's lock; more threads than this wait for the disk only.
THREADS = 4


@dataclass(frozen=True, eq=False)
class ImageFiles(Labelled[Sequence[Path]]):
    """Labelled image files.

    They stay undecoded until it is known which records have a role: a hundred thousand images of 64 x 64 take five
    gigabytes in float32, and every process that trains a model would hold them. Copies are files with equal bytes; the
    same picture packed anew counts as another one.

    Args:
        inputs: one file a record.
        mean: of each channel, of pixels in 0..1; fixed, so that preprocessing does not depend on the split.
        std: of each channel, likewise.
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
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; what cannot be decoded is an error
            pixels = np.stack(list(threads.map(partial(_decode, side=SIDE), [self.inputs[row] for row in rows])))
        return self.made(normalised(pixels.transpose(0, 3, 1, 2), mean=self.mean, std=self.std), rows)


def normalised(pixels: NDArray[np.uint8], *, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """Bytes ``[n, C, H, W]`` as float32 of about unit scale, by one mean and one deviation a channel."""
    # A grey level has 256 values: worked out once a channel and looked up, no array is larger than the result.
    grey = np.arange(256, dtype=np.float32) / MAX_GREY
    made = np.empty(pixels.shape, dtype=np.float32)
    for channel, (shift, scale) in enumerate(zip(mean, std, strict=True)):
        made[:, channel] = ((grey - np.float32(shift)) / np.float32(scale))[pixels[:, channel]]
    return made


def _decode(path: Path, *, side: int) -> NDArray[np.uint8]:
    """One file as bytes ``[side, side, 3]``."""
    from PIL import Image

    if path.stat().st_size > MOST_FILE_BYTES:
        raise InputError(f"{path}: larger than {MOST_FILE_BYTES:,} bytes")
    try:
        with Image.open(path) as image:
            # Asked of the header, before any memory is: a few bytes may claim a picture of gigabytes.
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
