"""Orders that look at no data: a quantizer's bits per weight, by its name alone."""

from __future__ import annotations

import math

__all__ = ["FLOAT", "coded_bits", "stored_bits"]

FLOAT, FLOAT_BITS = "float", 32.0


def stored_bits(name: str) -> float:
    """Bits per weight: ``log2`` of the levels, however rarely one is used; 32 a weight that is kept.

    Every ternary has 1.58, a cluster the logarithm of its number, and pruning 32 times the share that it keeps.
    """
    family, _, amount = name.partition("-")
    if family == "prune":
        return FLOAT_BITS * (1.0 - float(amount))
    by_family = {FLOAT: FLOAT_BITS, "sign": 1.0, "ternary": math.log2(3.0)}
    if family in by_family:
        return by_family[family]
    return float(amount.partition("-")[0]) if family == "uniform" else math.log2(int(amount))


def coded_bits(name: str) -> float:
    """Bits per weight after an ideal entropy coder that knows the nominal share of zeros and nothing else.

    A ternary's and a pruned weight's zeros have the share that the name says; all other levels count as equally often.
    """
    family, _, amount = name.partition("-")
    if family not in ("ternary", "prune"):
        return stored_bits(name)
    zeros = float(amount)
    coded = -zeros * math.log2(zeros) - (1.0 - zeros) * math.log2(1.0 - zeros)
    return coded + (1.0 - zeros) * (1.0 if family == "ternary" else FLOAT_BITS)
