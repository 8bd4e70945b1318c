"""What an evaluation keeps as it goes, so that an interrupted one resumes; and which observations it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.types import FloatArray, Observations

__all__ = ["Fit", "Forgetful", "Memory", "digest"]


@dataclass(frozen=True, eq=False)
class Fit:
    """What one fitted attack says of the records that it scored.

    Args:
        scores: membership scores ``[n]``.
        threshold: the cut that it chose.
        shadow_auc: AUC on the records that it learned from.
    """

    scores: FloatArray
    threshold: float
    shadow_auc: float


class Memory(Protocol):
    """Where fits are kept, by the key of their view, e.g. a run folder."""

    def read(self, key: str) -> Fit | None:
        """The fit that was kept; None where there is none, or it is damaged."""

    def write(self, key: str, fit: Fit) -> None:
        """Keep a fit, whole or not at all."""


class Forgetful:
    """A memory that keeps nothing."""

    def read(self, key: str) -> Fit | None:  # noqa: ARG002 - the protocol's argument
        """Nothing was kept."""
        return None

    def write(self, key: str, fit: Fit) -> None:
        """Drop the fit."""


def digest(target: Observations, shadows: Sequence[Observations], *, seed: int) -> str:
    """SHA-256 over everything that a fit depends on; a fit of other observations is never taken for one of these."""
    hashed = hashlib.sha256(f"seed {seed}".encode())
    for one in (target, *shadows):
        for name, values in _arrays(one):
            array = np.ascontiguousarray(values)
            hashed.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            hashed.update(array.view(np.uint8).data)
    return hashed.hexdigest()


def _arrays(one: Observations, place: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array of a population, of its references and of what they answered, each under its path."""
    for name in ("labels", "membership", "reference_membership", "ids"):
        values = getattr(one, name)
        if values is not None:
            yield f"{place}{name}", values
    for name in ("confidences", "logits", "sensitivity"):
        for variant, values in getattr(one, name).items():
            yield f"{place}{name}/{variant}", values
    for number, reference in enumerate(one.references):
        yield from _arrays(reference, f"{place}references/{number}/")
    if one.population is not None:
        yield from _arrays(one.population, f"{place}population/")
