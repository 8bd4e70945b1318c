"""Orders that look at no data: a quantizer's bits per weight, by its name alone."""

from __future__ import annotations

import math

__all__ = ["entropy_bits", "stored_bits"]


def stored_bits(quantizer: str) -> float:
    """Logarithm of the number of levels: 1 for sign, log2 3 for every ternary, B for uniform-B."""
    family, _, amount = quantizer.partition("-")
    if family == "sign":
        return 1.0
    return math.log2(3.0) if family == "ternary" else float(amount.partition("-")[0])


def entropy_bits(quantizer: str) -> float:
    """Bits after an ideal entropy coder that knows the nominal shares of the levels and nothing else.

    ``ternary-S`` has the share S of zeros and halves of the rest on either side, ``-S log2 S - (1 - S) log2((1 - S) /
    2)``; levels of the others are equally likely, as far as a name says.
    """
    family, _, amount = quantizer.partition("-")
    if family != "ternary":
        return stored_bits(quantizer)
    zeros = float(amount)
    return -zeros * math.log2(zeros) - (1.0 - zeros) * math.log2(0.5 * (1.0 - zeros))
