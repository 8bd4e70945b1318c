"""What a model file answers: confidences or logits, decided from the numbers and reported with the reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.types import SUM_TOLERANCE

__all__ = ["FORMS", "Decision", "Reading", "apply", "decide", "read"]

# LiteRT fixes the output of an int8 softmax to these steps; what is below half a step is lost.
INT8_STEP = 1 / 256
# As far as such a row may miss one and still be a softmax: with many classes, much of it lies below half a step.
INT8_SUM_TOLERANCE = 0.25
# Form of the answers -> the kind that an attack takes.
FORMS = {
    "logits": "logits",
    "confidences": "confidences",
    "int8-softmax": "confidences",
    "binary-confidence": "confidences",
    "binary-log-odds": "logits",
}


@dataclass(frozen=True)
class Decision:
    """The form of some answers.

    Args:
        form: a key of `FORMS`.
        reason: why it is that form, and what is done to the numbers, if anything.
    """

    form: str
    reason: str

    @property
    def kind(self) -> str:
        """``confidences`` or ``logits``."""
        return FORMS[self.form]


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


def decide(answers: NDArray[np.float32], *, name: str) -> Decision:
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
        if within:
            return Decision("binary-confidence", "one number in 0..1, taken for the probability of class 1")
        return Decision("binary-log-odds", "one number that leaves 0..1, taken for the log-odds of class 1")
    sums = answers.sum(axis=1, dtype=np.float64)
    furthest = float(np.abs(sums - 1).max())
    if answers.min() >= 0 and furthest <= SUM_TOLERANCE:
        return Decision("confidences", f"no number is negative, and rows sum to one within {furthest:.2g}")
    if not within:
        lowest, highest = float(answers.min()), float(answers.max())
        return Decision("logits", f"numbers from {lowest:.3g} to {highest:.3g} in rows that do not sum to one")
    range_of_sums = f"rows sum to {sums.min():.3g}..{sums.max():.3g}"
    steps = answers / np.float32(INT8_STEP)
    if furthest <= INT8_SUM_TOLERANCE and bool((steps == np.round(steps)).all()):
        return Decision("int8-softmax", f"a softmax in steps of 1/256; {range_of_sums} and were divided by their sums")
    raise InputError(
        f"{name}: its answers lie in 0..1 and {range_of_sums}, so they are neither confidences nor logits",
        hint="export the model with a softmax at its end, or without any activation there",
    )


def apply(form: str, answers: NDArray[np.float32]) -> tuple[str, NDArray[np.float32]]:
    """Answers of a known form as an attack takes them: the kind, and float32 ``[n, C]`` with C at least 2."""
    match form:
        case "int8-softmax":
            values = (answers / answers.sum(axis=1, dtype=np.float64)[:, None]).astype(np.float32)
        case "binary-confidence":
            values = np.concatenate([1 - answers, answers], axis=1)
        case "binary-log-odds":
            values = np.concatenate([np.zeros_like(answers), answers], axis=1)
        case _:
            values = answers
    return FORMS[form], values


def read(answers: NDArray[np.float32], *, name: str) -> Reading:
    """Decide what answers are, and read them so; see :func:`decide`.

    Raises:
        InputError: they are neither confidences nor logits.
    """
    decision = decide(answers, name=name)
    kind, values = apply(decision.form, answers)
    return Reading(kind, values, decision.reason)
