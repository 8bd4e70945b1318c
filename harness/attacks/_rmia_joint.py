"""RMIA on several variants at once: their likelihood ratios are multiplied before the comparison."""

from __future__ import annotations

from typing import ClassVar

from harness.attacks._registry import register
from harness.attacks._rmia import Rmia
from harness.types import Adversary

__all__ = ["RmiaJoint"]


@register("rmia-joint", family="rmia", needs=("confidences", "references", "population"), headline=True)
class RmiaJoint(Rmia):
    """RMIA with the geometric mean of the variants' likelihood ratios, for records and population alike.

    Were the variants' answers independent given membership, their ratios would multiply; they are strongly
    correlated, so the mean of the logarithms keeps the evidence of one model and averages the noise of many.

    Beyond the papers; the single-variant attack is Zarifzadeh, Liu & Shokri, ICML 2024.
    """

    adversary: ClassVar[Adversary] = "MR"
