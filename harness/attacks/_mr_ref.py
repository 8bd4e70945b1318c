"""MR with references: several variants, with or without the original, against reference models of the same."""

from __future__ import annotations

from typing import ClassVar

from harness.attacks._reference_attack import ReferenceAttack
from harness.attacks._registry import register
from harness.types import Adversary

__all__ = ["MrReference"]


@register("mr-ref", family="band", alone="band", needs=("confidences", "references", "population"), headline=True)
class MrReference(ReferenceAttack):
    """What `band` sees of the best variant, with the best second one or with all, as far as they add to it.

    Not from a paper; CompLeak's MR (arXiv 2507.16872) knows no references.
    """

    adversary: ClassVar[Adversary] = "MR"
