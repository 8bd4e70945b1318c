"""Cuts in units of the population: which share of records outside every training set scores below."""

from __future__ import annotations

import numpy as np

from harness.types import FloatArray

__all__ = ["cut_at", "share_below"]


def share_below(scores: FloatArray, population: FloatArray) -> FloatArray:
    """The share of the population that scores below each record, interpolated between its records, ``[n]``.

    A score depends on the number of references, and a shadow has one fewer than the target. The share that a model's
    own population gives does not.

    Args:
        scores: ``[n]``.
        population: scores of the same model's population, as if they were records, ``[m]``.
    """
    values, shares = _steps(population)
    return np.interp(scores, values, shares)


def cut_at(share: float, population: FloatArray) -> float:
    """The score that this share of the population is below; infinite where it is below or above all.

    Args:
        share: a cut of ``share_below``.
        population: scores of the population, ``[m]``.
    """
    values, shares = _steps(population)
    if share > shares[-1]:
        return float("inf")
    return float(np.interp(share, shares, values)) if share > shares[0] else float("-inf")


def _steps(population: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distinct scores of the population, and for each the share below it plus half of the share that equals it."""
    values, counts = np.unique(population, return_counts=True)
    return values, (np.cumsum(counts) - counts / 2.0) / len(population)
