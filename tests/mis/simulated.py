"""Loss matrices of independent Gaussian rivals, whose true indicator is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.types import FloatArray


def rivals(rng: np.random.Generator, gaps: Sequence[float], points: int) -> FloatArray:
    """A best candidate of loss zero and one rival a gap: its loss is normal, with that mean and variance one.

    Returns:
        ``[1 + len(gaps), points]``; the signal-to-noise ratio of a rival is its gap.
    """
    losses = np.zeros((len(gaps) + 1, points))
    losses[1:] = rng.standard_normal((len(gaps), points)) + np.asarray(gaps)[:, None]
    return losses
