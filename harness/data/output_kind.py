"""What a file that somebody else made answers: confidences or logits, decided from the numbers and said aloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.types import SUM_TOLERANCE

__all__ = ["Reading", "read"]

# LiteRT fixes the output of an int8 softmax to these steps; what is below half a step is lost.
INT8_STEP = 1 / 256
# As far as such a row may miss one and still be a softmax: with many classes, much of it lies below half a step.
INT8_SUM_TOLERANCE = 0.25


@dataclass(frozen=True, eq=False)
class Reading:
    """Answers as an attack takes them.

    Args:
        kind: ``confidences`` or ``logits``.
        values: float32 ``[n, C]``, C at least 2.
        reason: why it is that kind, and what was done to the numbers, if anything.
    """

    kind: str
    values: NDArray[np.float32]
    reason: str


def read(answers: NDArray[np.float32], *, name: str) -> Reading:
    """Decide what answers are.

    One column is the output of a binary classifier: the probability of class 1, or its log-odds where a number lies
    outside 0..1.

    Args:
        answers: ``[n, C]``, finite.
        name: begins an error's message.

    Raises:
        InputError: they lie in 0..1 like confidences and do not sum to one, so they are neither.
    """
    within = bool(answers.min() >= 0 and answers.max() <= 1)
    if answers.shape[1] == 1:
        return _binary(answers, within=within)
    sums = answers.sum(axis=1, dtype=np.float64)
    furthest = float(np.abs(sums - 1).max())
    if answers.min() >= 0 and furthest <= SUM_TOLERANCE:
        return Reading("confidences", answers, f"no number is negative, and rows sum to one within {furthest:.2g}")
    if not within:
        lowest, highest = float(answers.min()), float(answers.max())
        return Reading("logits", answers, f"numbers from {lowest:.3g} to {highest:.3g} in rows that do not sum to one")
    said = f"rows sum to {sums.min():.3g}..{sums.max():.3g}"
    steps = answers / np.float32(INT8_STEP)
    if furthest <= INT8_SUM_TOLERANCE and bool((steps == np.round(steps)).all()):
        divided = (answers / sums[:, None]).astype(np.float32)
        return Reading("confidences", divided, f"a softmax in steps of 1/256; {said} and were divided by their sums")
    raise InputError(
        f"{name}: its answers lie in 0..1 and {said}, so they are neither confidences nor logits",
        hint="export the model with a softmax at its end, or without any activation there",
    )


def _binary(answers: NDArray[np.float32], *, within: bool) -> Reading:
    if within:
        both = np.concatenate([1 - answers, answers], axis=1)
        return Reading("confidences", both, "one number in 0..1, taken for the probability of class 1")
    both = np.concatenate([np.zeros_like(answers), answers], axis=1)
    return Reading("logits", both, "one number that leaves 0..1, taken for the log-odds of class 1")
