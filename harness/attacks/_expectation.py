"""What a model that was not trained on a record answers to it, expected from the answers of reference models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.types import FloatArray

__all__ = ["LEAST_VARIANCE", "Expectation", "expectation", "within_variance"]

# The records' own variance is at least this share of the variance of their means: with few references the difference
# of the two estimates can fall below zero.
LEAST_SHARE = 0.05
# Variances are at least this, so that equal answers of all models divide by something.
LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class Expectation:
    """The normal distribution of the answer of a model that was not trained on the record.

    Args:
        mean: float64 ``[n]``.
        spread: standard deviation of a model's answer around ``mean``, the error of ``mean`` included, float64 ``[n]``.
    """

    mean: FloatArray
    spread: FloatArray


def within_variance(answers: FloatArray, used: NDArray[np.bool_]) -> float:
    """Variance of the models' answers around each record's mean, pooled over records; NaN where no record has two.

    Args:
        answers: ``[M, n]``.
        used: which answers count, ``[M, n]``.
    """
    count = used.sum(axis=0)
    mean = (answers * used).sum(axis=0) / np.maximum(count, 1)
    degrees = int(np.maximum(count - 1, 0).sum())
    return float((((answers - mean) ** 2) * used).sum() / degrees) if degrees else float("nan")


def expectation(references: FloatArray, out: NDArray[np.bool_], variance: float) -> Expectation:
    """Shrink each record's mean over its outside references towards the mean of all records.

    A record's expected answer is normal around the mean of all records with variance ``tau2``, a model's answer normal
    around it with ``variance``. The standardised answer ``(x - mean) / spread`` then has variance one for models that
    were not trained on the record, however many references there are; one is enough.

    Efron & Morris, Data analysis using Stein's estimator and its generalizations, 1975.

    Args:
        references: answers of the reference models, ``[R, n]``.
        out: whether a reference was not trained on the record, ``[R, n]``; a record without any gets the mean of all.
        variance: variance of models' answers to one record.
    """
    count = out.sum(axis=0)
    known = count > 0
    mean = (references * out).sum(axis=0) / np.maximum(count, 1)
    centre = float(mean[known].mean()) if known.any() else 0.0
    total = float(mean[known].var()) if known.any() else 0.0
    variance = max(variance, LEAST_VARIANCE)
    error = variance / np.maximum(count, 1)
    between = total - float(error[known].mean()) if known.any() else 0.0
    between = max(between, LEAST_SHARE * total, LEAST_VARIANCE)
    weight = np.where(known, between / (between + error), 0.0)
    return Expectation(centre + weight * (mean - centre), np.sqrt(variance + (1.0 - weight) * between))
