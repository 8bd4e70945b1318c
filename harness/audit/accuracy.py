"""Top-1 accuracy of each variant on members and non-members, from what was observed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.results import ArtifactResult
from harness.stats import Estimate, clopper_pearson
from harness.types import Array, IntArray, Observations

__all__ = ["accuracies", "accuracy"]


def accuracies(
    target: Observations, *, runtime: str, level: float, controls: Sequence[str] = ()
) -> Iterator[ArtifactResult]:
    """One row a variant; a side without records has no accuracy."""
    for variant in target.variants:
        answers = target.logits[variant] if variant in target.logits else target.confidences[variant]
        members, nonmembers = (_on_side(answers, target, side, level) for side in (1, 0))
        yield ArtifactResult(
            variant=variant,
            runtime=runtime,
            is_control=variant in controls,
            accuracy_members=members,
            accuracy_nonmembers=nonmembers,
        )


def _on_side(answers: Array, target: Observations, side: int, level: float) -> Estimate | None:
    """Accuracy on members (1) or non-members (0); None where there are none."""
    if target.membership is None:
        return None
    rows = np.flatnonzero(target.membership == side)
    return accuracy(answers[rows], target.labels[rows], level=level) if len(rows) else None


def accuracy(answers: Array, labels: IntArray, *, level: float = 0.95) -> Estimate:
    """Top-1 task accuracy with its exact interval, of answers ``[n, C]``."""
    right, n = int((answers.argmax(axis=1) == labels).sum()), len(labels)
    low, high = clopper_pearson(right, n, level=level)
    return Estimate(right / n, low, high, n, "clopper-pearson", level)
