"""Band: one variant's answers against those expected of other models, seen from both sides."""

from __future__ import annotations

from typing import ClassVar

from harness.attacks._reference_attack import ReferenceAttack
from harness.attacks._registry import register
from harness.types import Adversary

__all__ = ["Band"]


@register("band", family="band", needs=("confidences", "references", "population"), headline=True)
class Band(ReferenceAttack):
    """Log-odds of membership from one variant's answer and its references, learned on the shadows.

    Offline LiRA and RMIA look from one side: a member's confidence is far above its references'. Members that were
    trained to zero loss fill a band of confidences instead, and an easy record's references exceed it. This attack
    fits the answer's distribution given the expected one, on the shadows' members and on their non-members, and weighs
    the ratio with RMIA's, with the online ratio where references were trained on the records, and with boosted trees
    where they help. It is the one-variant form of `sr-ref` and `mr-ref`, which are compared with it: what they add to
    it, the second variant adds.

    Not from a paper; nearest are Carlini et al., S&P 2022 (LiRA) and Zarifzadeh, Liu & Shokri, ICML 2024 (RMIA).
    """

    adversary: ClassVar[Adversary] = "NR"
