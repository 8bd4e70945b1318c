"""The model and the settings that all its conversions share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.types import Array

if TYPE_CHECKING:
    from torch import nn

__all__ = ["EXAMPLE_BATCH", "INPUT_NAME", "OUTPUT_NAME", "Source"]

# Names of the one input and the one output in the files; torch.export gives the first positional argument this name.
INPUT_NAME = "args_0"
OUTPUT_NAME = "output_0"
# Any batch size but 0 and 1, which torch.export treats as constants.
EXAMPLE_BATCH = 2


@dataclass(frozen=True, eq=False)
class Source:
    """A model with the settings of its converters.

    Args:
        model: folded, in evaluation mode.
        sample_shape: shape of one record.
        sample_dtype: numpy name of the input's element type: ``float32``, or ``int64`` for token ids.
        calibration: ``[m, *sample_shape]`` for number formats that measure ranges, used as ONE batch: calibrators
            average the ranges of successive batches, and many small batches clip.
        max_batch: largest batch size to declare.
        cache: folder of templates for models of the same architecture; None for no cache.
    """

    model: nn.Module
    sample_shape: tuple[int, ...]
    sample_dtype: str
    calibration: Array | None
    max_batch: int
    cache: Path | None = None

    def example(self, batch: int = EXAMPLE_BATCH) -> Any:
        """A tensor of zeros, which are valid pixels and token ids, ``[batch, *sample_shape]``."""
        import torch

        return torch.from_numpy(np.zeros((batch, *self.sample_shape), dtype=self.sample_dtype))

    def ranges(self) -> Any:
        """The calibration records as one tensor."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(self.calibration))
