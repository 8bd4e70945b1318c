"""The step in which an 8-bit or rounded softmax gives its confidences, and half of it: what a zero stands for."""

from __future__ import annotations

import numpy as np

from harness.types import Array

__all__ = ["half_step"]

# LiteRT's 8-bit softmax answers in steps of 1/256; other integer runtimes in steps of 1/255.
STEPS = (1.0 / 256.0, 1.0 / 255.0)
# Confidences are float32, so a multiple of a step lies within rounding of it.
MULTIPLE_WITHIN = 1e-6
# A smaller step is hardly coarser than the tolerance; a float softmax has smaller values in almost every row.
SMALLEST_STEP = 1e-3
# A coarser one is not a rounded softmax: an answer of one class, or an example written by hand.
LARGEST_STEP = 1.0 / 32.0


def half_step(confidences: Array) -> float:
    """Half of the step of which all confidences are multiples, e.g. 1/512; 0.0 where there is none.

    A confidence that was rounded to zero lies below half a step. The step is 1/256 or 1/255, else the smallest
    positive confidence.

    Args:
        confidences: ``[n, C]``.
    """
    positive = confidences[np.greater(confidences, 0)]
    smallest = float(positive.min()) if len(positive) else 0.0
    if smallest < SMALLEST_STEP or smallest == 1.0:
        return 0.0
    distinct = np.unique(positive).astype(np.float64)
    for step in (*STEPS, smallest):
        multiples = np.rint(distinct / step) * step
        if step <= LARGEST_STEP and bool((np.abs(distinct - multiples) <= MULTIPLE_WITHIN).all()):
            return step / 2.0
    return 0.0
