"""Random flips and shifts of images: the only transform that training knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.models import require
from harness.training._predict import Inputs, reproducible

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["augment", "augmented", "check_images"]

# An augmented image moves by at most this share of its side, 4 pixels of 32.
SHIFT_SHARE = 8


def augment(images: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Images ``[n, C, H, W]`` as one epoch of augmented training would have shown them: flipped and shifted at random.

    For the study of what this transform does to an audit when one pool alone goes through it; no audit calls it.

    Raises:
        ConfigError: the records are no images.
    """
    check_images(images)
    require("torch")
    import torch

    with reproducible(seed=seed, threads=1):
        shown: NDArray[np.float32] = augmented(torch.from_numpy(np.ascontiguousarray(images))).numpy()
    return shown


def augmented(images: Tensor) -> Tensor:
    """Flip each image with probability 1/2 and shift it by up to an eighth of its side, zeros moving in."""
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
    """Refuse what cannot be flipped and shifted."""
    if inputs.ndim != 4 or inputs.dtype != np.float32:
        raise ConfigError(
            f"training: augmentation flips and shifts images; these records are {inputs.dtype} {inputs.shape[1:]}",
            hint="training.augment = false",
        )
