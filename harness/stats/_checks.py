"""Checks of the arguments that all functions of this package take: scores, membership, levels and counts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError

__all__ = ["as_delta", "as_design_effect", "as_level", "as_membership", "as_scores", "check_counts"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def as_scores(scores: ArrayLike, *, name: str = "scores") -> FloatArray:
    """Scores as float64 ``[n]``.

    Raises:
        InputError: not one-dimensional, empty, or holds NaN or infinity.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"{name}: shape {values.shape}, expected [n]")
    if len(values) == 0:
        raise InputError(f"{name}: there are none", hint="give the scores of members and of non-members")
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argmin(finite))
        raise InputError(f"{name}: row {row} is {values[row]}", hint="an attack must give every record a finite score")
    return values


def as_membership(membership: ArrayLike | None, n: int, *, name: str = "membership", of: str = "scores") -> BoolArray:
    """Membership as booleans ``[n]``, with at least one record on each side.

    Raises:
        InputError: missing, another length than ``n``, values other than 0 and 1, or one class only.
    """
    if membership is None:
        raise InputError(f"{name}: missing", hint=f"give it wherever {of} are an array")
    values = np.asarray(membership)
    if values.shape != (n,):
        raise InputError(f"{name}: shape {values.shape} for {n} {of}")
    member = values.astype(np.bool_)
    if values.dtype != np.bool_ and not (values == member).all():
        raise InputError(f"{name}: holds values other than 0 and 1")
    if member.all() or not member.any():
        side = "non-members" if member.all() else "members"
        raise InputError(
            f"{name}: there are no {side}",
            hint="give members and non-members",
        )
    return member


def as_level(level: float) -> float:
    """Check a nominal coverage: strictly between 0 and 1.

    Raises:
        InputError: the level is not within (0, 1).
    """
    if not (math.isfinite(level) and 0.0 < level < 1.0):
        raise InputError(f"level: {level}, expected a number between 0 and 1, e.g. 0.95")
    return float(level)


def as_delta(delta: float) -> float:
    """Check the delta of a guarantee: in [0, 1).

    Raises:
        InputError: it is not.
    """
    if not 0.0 <= delta < 1.0:
        raise InputError(f"delta: {delta}, expected a number in [0, 1), e.g. 1e-5")
    return float(delta)


def as_design_effect(design_effect: float) -> float:
    """Check how many times the variance is that of independent records: 1 or more.

    Raises:
        InputError: below 1, or not finite.
    """
    if not (math.isfinite(design_effect) and design_effect >= 1.0):
        raise InputError(
            f"design_effect: {design_effect}, expected a number of at least 1",
            hint="1 for independent scores, 2 for scores that were cross-fitted over the audited membership",
        )
    return float(design_effect)


def check_counts(successes: float, trials: float) -> None:
    """Check that successes lie between 0 and the number of trials.

    Raises:
        InputError: they do not.
    """
    if not 0 <= successes <= trials:
        raise InputError(f"counts: {successes} of {trials}; expected 0 <= successes <= trials")
