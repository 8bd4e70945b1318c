"""RMIA on several variants at once, by the geometric mean of their likelihood ratios."""

from __future__ import annotations

from typing import ClassVar

from harness.attacks._registry import register
from harness.attacks._rmia import Rmia
from harness.types import Adversary

__all__ = ["RmiaJoint"]


@register(
    "rmia-joint",
    family="rmia",
    alone="rmia",
    needs=("confidences", "references", "population"),
)
class RmiaJoint(Rmia):
    """RMIA with the geometric mean of the variants' likelihood ratios, for records and population alike.

    If the variants' answers were independent given membership, their ratios would multiply. They are strongly
    correlated, so the mean of the logarithms has the evidence of one model with the averaged noise of many.

    Not from a paper; the single-variant attack is Zarifzadeh, Liu & Shokri, ICML 2024.
    """

    adversary: ClassVar[Adversary] = "MR"
