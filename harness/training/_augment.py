"""Random flips and shifts of images, the only transform of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.packages import require
from harness.training._predict import Inputs, reproducible

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["augment", "augmented", "check_images"]

# An augmented image moves by at most this share of its side, 4 pixels of 32.
SHIFT_SHARE = 8


def augment(images: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Flip and shift images ``[n, C, H, W]`` at random, as one epoch of augmented training does.

    For the study of an audit in which only one pool goes through this transform; no audit calls it.

    Raises:
        ConfigError: the records are not images.
    """
    check_images(images)
    require("torch")
    import torch

    with reproducible(seed=seed, threads=1):
        transformed: NDArray[np.float32] = augmented(torch.from_numpy(np.ascontiguousarray(images))).numpy()
    return transformed


def augmented(images: Tensor) -> Tensor:
    """Flip each image with probability 1/2 and shift it by up to an eighth of its side, filling with zeros."""
    import torch
    from torch.nn import functional

    n, _, height, width = images.shape
    flip = torch.rand(n) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(3), images)
    pad_y, pad_x = height // SHIFT_SHARE, width // SHIFT_SHARE
    padded = functional.pad(images, (pad_x, pad_x, pad_y, pad_y))
    top = torch.randint(0, 2 * pad_y + 1, (n, 1)) + torch.arange(height)
    left = torch.randint(0, 2 * pad_x + 1, (n, 1)) + torch.arange(width)
    rows = torch.arange(n)[:, None, None]
    # [n, H, W, C] -> [n, C, H, W]: advanced indices around the channel slice put the channels last.
    return padded[rows, :, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2).contiguous()


def check_images(inputs: Inputs) -> None:
    """Raise ConfigError for records that are not float32 images."""
    if inputs.ndim != 4 or inputs.dtype != np.float32:
        raise ConfigError(
            f"training: augmentation flips and shifts images; these records are {inputs.dtype} {inputs.shape[1:]}",
            hint="set training.augment = false",
        )
