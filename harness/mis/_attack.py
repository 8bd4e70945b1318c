"""The best possible membership attack on the selected candidate: the likelihood ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.types import Array, IntArray

__all__ = ["lr_attack"]


def lr_attack(given: Array, overall: Array, selected: IntArray) -> NDArray[np.bool_]:
    """Guess "member" where the selected candidate is likelier with the record in training than without it. Derived.

    With equal chances of membership no attack that sees only the record and the selected candidate does better; its
    balanced accuracy is ``(1 + Delta_n) / 2``.

    Args:
        given: ``p_k(z)`` of each record, ``[M, K]``.
        overall: ``p_k``, ``[K]``.
        selected: the candidate that was selected when each record was tried, ``[M]``.

    Returns:
        Guesses ``[M]``, True for members.

    Raises:
        InputError: shapes disagree or a selected candidate is none of the K.
    """
    p_z, p = np.asarray(given, dtype=np.float64), np.asarray(overall, dtype=np.float64)
    chosen = np.asarray(selected)
    if p_z.ndim != 2 or p.shape != (p_z.shape[1],) or chosen.shape != (p_z.shape[0],):
        raise InputError(f"given {p_z.shape}, overall {p.shape}, selected {chosen.shape}: expected [M, K], [K], [M]")
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= len(p)):
        raise InputError(f"selected: holds numbers outside 0..{len(p) - 1}")
    return np.asarray(p_z[np.arange(len(chosen)), chosen] > p[chosen])
