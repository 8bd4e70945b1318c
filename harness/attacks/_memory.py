"""Storage of an evaluation's fits, so that an interrupted evaluation resumes, and the digest of its observations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.types import FloatArray, Observations

__all__ = ["Fit", "Forgetful", "Memory", "digest"]


@dataclass(frozen=True, eq=False)
class Fit:
    """The scores of one fitted attack.

    Args:
        scores: membership scores ``[n]``.
        cut: the chosen cut of each record ``[n]``.
        shadow_auc: AUC on the shadows' records.
        cut_note: why the cut cannot be trusted; empty where it can.
        chosen: what was chosen on the shadows, by name.
    """

    scores: FloatArray
    cut: FloatArray
    shadow_auc: float
    cut_note: str = ""
    chosen: Mapping[str, str | float | int] = field(default_factory=dict)


class Memory(Protocol):
    """A store of fits by the key of their view, e.g. a run folder."""

    def read(self, key: str) -> Fit | None:
        """The stored fit; None where there is none, or it is damaged."""

    def write(self, key: str, fit: Fit) -> None:
        """Store a fit atomically."""


class Forgetful:
    """A memory that stores nothing."""

    def read(self, key: str) -> Fit | None:  # noqa: ARG002 - the protocol's argument
        """There is no stored fit."""
        return None

    def write(self, key: str, fit: Fit) -> None:
        """Do not store the fit."""


def digest(target: Observations, shadows: Sequence[Observations], *, seed: int) -> str:
    """SHA-256 over everything that a fit depends on, so that a fit of other observations is never used."""
    sha256 = hashlib.sha256(f"seed {seed}".encode())
    for observations in (target, *shadows):
        for name, values in _arrays(observations):
            array = np.ascontiguousarray(values)
            sha256.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            sha256.update(array.view(np.uint8).data)
    return sha256.hexdigest()


def _arrays(observations: Observations, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array of a population and of its references, with its path."""
    for name in ("labels", "membership", "reference_membership", "ids"):
        values = getattr(observations, name)
        if values is not None:
            yield f"{path}{name}", values
    for name in ("confidences", "logits", "sensitivity"):
        for variant, values in getattr(observations, name).items():
            yield f"{path}{name}/{variant}", values
    for number, reference in enumerate(observations.references):
        yield from _arrays(reference, f"{path}references/{number}/")
    if observations.population is not None:
        yield from _arrays(observations.population, f"{path}population/")
