"""The questions of the study as paired comparisons: two views on the same records, averaged over the seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness import stats
from harness.attacks.controls import COPY
from harness.stats import Estimate
from harness.subject.trained import CONTROL, ORIGINAL
from harness.types import FloatArray, IntArray
from studies.compleak._evidence import Evidence, View
from studies.compleak.controls import COPIED

__all__ = ["Comparison", "Pair", "low_fpr", "pairs", "resolve"]

Question = Literal[
    "variant alone",
    "SR",
    "SR by one classifier",
    "SR beyond a second copy",
    "SR beyond fine-tuning",
    "MR",
    "MR beyond SR",
    "MR beyond fine-tuning",
]
Answer = Literal["more", "less", "not resolved"]

# The features of an SR attack without the variant are those of an NR attack on the original.
WITHOUT_VARIANT = {"sr1": "posterior", "sr2": "posterior-label"}
# Draws of the paired bootstrap; the corrected intervals of a few comparisons rest on 10 of them a side at least.
DRAWS = 4000


@dataclass(frozen=True)
class Pair:
    """Two views to be compared: does the first tell more than the second?"""

    question: Question
    view: View
    against: View


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Args:
        question: what it is part of.
        view: what is looked at.
        against: what it is held against.
        difference: mean over the seeds of the paired difference, interval corrected for all comparisons of its kind.
        each: the difference of each seed.
    """

    question: str
    view: View
    against: View
    difference: Estimate
    each: tuple[float, ...]

    @property
    def answer(self) -> Answer:
        """Whether the view tells more than the other, less, or these records cannot tell."""
        if self.difference.low > 0:
            return "more"
        return "less" if self.difference.high < 0 else "not resolved"


def pairs(evidence: Evidence, runtime: str) -> Iterator[Pair]:
    """The comparisons of AUCs that the study asks for, on one runtime.

    Where there is a choice of attack it is made by the shadows: the NR attack that did best on the shadows' originals,
    the best SR attack of each variant, the best MR attack.
    """
    views = [v for v in evidence.views if v.runtime == runtime]
    alone = [v for v in views if v.adversary == "NR"]
    original = evidence.headline([v for v in alone if v.variants == (ORIGINAL,)])
    for view in alone:
        if view.attack == original.attack and view != original:
            yield Pair("variant alone", view, original)
    by_variant = {v.variants[1]: v for v in views if v.adversary == "SR"}
    sr = {
        name: evidence.headline([v for v in views if v.adversary == "SR" and v.variants[1] == name])
        for name in by_variant
    }
    for view in sr.values():
        yield Pair("SR", view, original)
    for view in sr.values():
        features, _, classifier = view.attack.partition("-")
        same = View(runtime, "NR", f"{WITHOUT_VARIANT.get(features)}-{classifier}", (ORIGINAL,))
        copy = View(runtime, "SR", view.attack, (ORIGINAL, COPY))
        if same in alone:
            yield Pair("SR by one classifier", view, same)
        if view.attack in COPIED:
            yield Pair("SR beyond a second copy", view, copy)
    control = sr.get(CONTROL)
    shipped = [view for name, view in sr.items() if name != CONTROL]
    if control is not None:
        for view in shipped:
            yield Pair("SR beyond fine-tuning", view, control)
    for view in (v for v in views if v.adversary == "MR"):
        yield Pair("MR", view, original)
        if shipped:
            yield Pair("MR beyond SR", view, evidence.headline(shipped))
        if control is not None:
            yield Pair("MR beyond fine-tuning", view, control)


def resolve(evidence: Evidence, asked: list[Pair], *, level: float) -> list[Comparison]:
    """Compare AUCs; the intervals of all comparisons hold at once with probability ``level``."""
    corrected = 1.0 - (1.0 - level) / max(1, len(asked))
    found = []
    for pair in asked:
        per_arm = evidence.differences(pair.view, pair.against, level=corrected)
        each = tuple(e.value for e in per_arm)
        found.append(Comparison(pair.question, pair.view, pair.against, stats.average(per_arm), each))
    return found


def low_fpr(evidence: Evidence, runtime: str, *, fpr: float, level: float, seed: int) -> list[Comparison]:
    """The likelihood attacks on several variants beside the stacked ones on the same, by TPR at a low FPR.

    Differences come from a paired bootstrap over records, drawn within members and within non-members.
    """
    several = [v for v in evidence.views if v.runtime == runtime and v.adversary == "MR"]
    joint = [v for v in several if v.attack.endswith("-joint")]
    asked = [
        (view, other)
        for view in joint
        for other in several
        if other.attack.startswith("mr-") and other.variants == view.variants
    ]
    if not asked or not all(e.resolvable for e in evidence.tpr(joint[0], fpr)):
        return []  # nothing to compare, or too few non-members to fix a threshold
    corrected = 1.0 - (1.0 - level) / len(asked)

    def gained(a: FloatArray, b: FloatArray, membership: IntArray) -> float:
        return _tpr(a, membership, fpr) - _tpr(b, membership, fpr)

    found = []
    for view, other in asked:
        per_arm = [
            stats.bootstrap(gained, [a, b, m], strata=m, draws=DRAWS, level=corrected, seed=seed)
            for a, b, m in zip(evidence.scores(view), evidence.scores(other), evidence.memberships, strict=True)
        ]
        each = tuple(e.value for e in per_arm)
        found.append(Comparison(f"TPR at {fpr:.1%} FPR", view, other, stats.average(per_arm), each))
    return found


def _tpr(scores: FloatArray, membership: IntArray, fpr: float) -> float:
    """The highest TPR whose FPR is at most ``fpr``; the value of `stats.tpr_at_fpr` without its interval."""
    others = scores[membership == 0]
    allowed = int(fpr * len(others) + 1e-9)
    # The score that one non-member too many reaches: only what lies above it may be called a member.
    cut = -np.partition(-others, allowed)[allowed]
    return float((scores[membership == 1] > cut).mean())
