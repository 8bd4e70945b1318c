"""SR with references: the original and one variant, against reference models of the same two."""

from __future__ import annotations

from typing import ClassVar

from harness.attacks._reference_attack import ReferenceAttack
from harness.attacks._registry import register
from harness.types import Adversary

__all__ = ["SrReference"]


@register("sr-ref", family="band", alone="band", needs=("confidences", "references", "population"), headline=True)
class SrReference(ReferenceAttack):
    """What `band` sees of the original and of one variant, and how far the variant's answer lies from the original's.

    Not from a paper; CompLeak's SR (arXiv 2507.16872) knows no references.
    """

    adversary: ClassVar[Adversary] = "SR"
