"""Are the answers of several devices the same bytes? And if not, which artifact's differ, and by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.devices._types import BatchAnswer

__all__ = ["Difference", "difference", "largest_group"]

T = TypeVar("T")


@dataclass(frozen=True)
class Difference:
    """Where two answers to one batch differ the most.

    Args:
        artifact: its key.
        batch: number of the batch.
        largest: absolute difference; 0 where only the sign of a zero differs, infinite where the shapes do.
    """

    artifact: str
    batch: int
    largest: float

    def __str__(self) -> str:
        """The difference as the end of a sentence."""
        return f"those of {self.artifact} to batch {self.batch} differ by up to {self.largest:.3g}"


def difference(one: Sequence[BatchAnswer], other: Sequence[BatchAnswer]) -> Difference | None:
    """The largest difference between two devices' answers to the same batches; None where all bytes are equal."""
    found = [
        Difference(key, a.number, _largest(a.outputs[key], b.outputs[key]))
        for a, b in zip(one, other, strict=True)
        for key in a.outputs
        if not _equal(a.outputs[key], b.outputs[key])
    ]
    return max(found, key=lambda item: item.largest, default=None)


def largest_group(answers: Mapping[T, Sequence[BatchAnswer]]) -> list[T]:
    """The most members whose answers are equal; of two groups as large, the one that holds the earliest member."""
    groups: list[list[T]] = []
    for member, own in answers.items():
        group = next((one for one in groups if difference(answers[one[0]], own) is None), None)
        if group is None:
            groups.append([member])
        else:
            group.append(member)
    return max(groups, key=len, default=[])  # the first of equals


def _equal(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def _largest(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return math.inf if a.shape != b.shape else float(np.abs(a.astype(np.float64) - b).max())
