"""Per-record losses of a model: the indicator's only input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import InputError
from harness.types import Array, FloatArray, IntArray

__all__ = ["loss_matrix", "losses_from_confidences", "losses_from_regression"]

# Smaller probabilities are raised to this, for every variant alike: losses with different floors are not comparable.
# An integer softmax with steps of 1/256 needs half a step (1/512).
DEFAULT_FLOOR = 1e-7


def losses_from_confidences(
    confidences: Array,
    labels: IntArray,
    *,
    kind: str = "nll",
    floor: float = DEFAULT_FLOOR,
    log_confidences: bool = False,
    name: str = "confidences",
) -> FloatArray:
    """Loss of each record, from the confidence vectors of one candidate.

    Args:
        confidences: ``[N, C]``, rows sum to one; with ``log_confidences`` their logarithms (no ties by saturation).
        labels: true classes ``[N]``.
        kind: ``nll`` (negative log-likelihood, nats), ``brier`` (squared distance to the one-hot label, 0..2) or
            ``zero_one`` (1 where the top class is wrong).
        floor: smaller probabilities are raised to this; must be the same for all variants that are compared.
        log_confidences: whether the first argument holds logarithms.
        name: name of the array in error messages.

    Returns:
        Losses, float64 ``[N]``.

    Raises:
        InputError: shapes disagree, values are not finite, a label is out of range, or ``kind`` is unknown.
    """
    values = np.asarray(confidences, dtype=np.float64)
    y = np.asarray(labels)
    if values.ndim != 2 or values.shape[1] < 2 or len(values) != len(y) or len(y) == 0:
        raise InputError(f"{name}: shape {values.shape} for {len(y)} labels; expected [records >= 1, classes >= 2]")
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= values.shape[1]:
        raise InputError(f"{name}: labels must be integers within 0..{values.shape[1] - 1}")
    if not 0 < floor < 1:
        raise InputError(f"{name}: floor={floor} is outside (0, 1)")
    rows = np.arange(len(y))
    # Minus infinity is the logarithm of a saturated zero; the floor replaces it.
    bad = np.isnan(values) | (values == np.inf) if log_confidences else ~np.isfinite(values)
    if bad.any():
        raise InputError(f"{name}: row {int(np.argmax(bad.any(axis=1)))} holds NaN or infinity")
    if kind == "nll":
        true = values[rows, y]
        logs = true if log_confidences else np.log(np.maximum(true, floor))
        return np.asarray(-np.clip(logs, np.log(floor), 0.0))
    if kind == "zero_one":
        return np.asarray(np.argmax(values, axis=1) != y, dtype=np.float64)
    if kind == "brier":
        p = np.exp(values) if log_confidences else values
        return np.asarray((p**2).sum(axis=1) - 2.0 * p[rows, y] + 1.0)
    raise InputError(f"{name}: unknown loss {kind!r}", hint="one of nll, brier, zero_one")


def losses_from_regression(
    predictions: Array, targets: Array, *, kind: str = "se", name: str = "predictions"
) -> FloatArray:
    """Loss of each record of a regression: squared (``se``) or absolute (``ae``) error, float64 ``[N]``.

    Raises:
        InputError: shapes disagree, values are not finite, or ``kind`` is unknown.
    """
    predicted = np.asarray(predictions, dtype=np.float64)
    expected = np.asarray(targets, dtype=np.float64)
    if predicted.ndim != 1 or predicted.shape != expected.shape or len(predicted) == 0:
        raise InputError(f"{name}: shape {predicted.shape} for targets {expected.shape}; both must be [N >= 1]")
    error = predicted - expected
    if not np.isfinite(error).all():
        raise InputError(f"{name}: record {int(np.argmin(np.isfinite(error)))} is NaN or infinite")
    if kind == "se":
        return np.asarray(error**2)
    if kind == "ae":
        return np.asarray(np.abs(error))
    raise InputError(f"{name}: unknown loss {kind!r}", hint="one of se, ae")


def loss_matrix(
    outputs: Sequence[Array],
    labels: IntArray,
    *,
    kind: str = "nll",
    floor: float = DEFAULT_FLOOR,
    log_confidences: bool = False,
) -> FloatArray:
    """Losses of K candidates on the same N records, ``[K, N]``; arguments as :func:`losses_from_confidences`."""
    if not outputs:
        raise InputError("outputs: there are no candidates")
    rows = [
        losses_from_confidences(
            answer, labels, kind=kind, floor=floor, log_confidences=log_confidences, name=f"outputs/{k}"
        )
        for k, answer in enumerate(outputs)
    ]
    return np.stack(rows)
