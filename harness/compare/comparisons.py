"""Questions to several runs as paired comparisons: two views of the same records, averaged over the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from harness import stats
from harness.attacks import attack_class
from harness.compare.pairing import PairedRuns
from harness.subject import ORIGINAL
from harness.types import Estimate, FloatArray, IntArray, View

__all__ = ["Answer", "Comparison", "Pair", "compare_auc", "compare_tpr", "is_joint", "is_stacked", "pairs"]

Answer = Literal["more", "less", "not resolved"]

# Families of attacks whose MR member is a likelihood on all variants at once, and whose MR member stacks the attacks
# on single variants.
JOINT, STACKED = frozenset({"lira", "rmia", "band"}), frozenset({"stack", "boosting"})
# Draws of the paired bootstrap; the corrected intervals of a few comparisons rest on 10 of them a side at least.
DRAWS = 4000


@dataclass(frozen=True)
class Pair:
    """Two views to compare: does the first leak more than the second?

    Args:
        question: what the comparison is part of.
        view: what is looked at.
        against: what it is compared with.
    """

    question: str
    view: View
    against: View


@dataclass(frozen=True)
class Comparison:
    """A pair's difference.

    Args:
        pair: what was compared.
        difference: mean over the runs of the paired difference, interval corrected for all comparisons of its kind.
        each: the difference in each run.
    """

    pair: Pair
    difference: Estimate
    each: tuple[float, ...]

    @property
    def answer(self) -> Answer:
        """Whether the view leaks more than the other, less, or these records do not resolve it."""
        if self.difference.low > 0:
            return "more"
        return "less" if self.difference.high < 0 else "not resolved"

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "question": self.pair.question,
            "view": self.pair.view.to_json(),
            "against": self.pair.against.to_json(),
            "difference": self.difference.to_json(),
            "each": list(self.each),
            "answer": self.answer,
        }


def is_joint(view: View) -> bool:
    """Whether the attack is one likelihood on several variants at once."""
    return view.adversary == "MR" and attack_class(view.attack).family in JOINT


def is_stacked(view: View) -> bool:
    """Whether the attack combines the attacks on single variants."""
    return view.adversary == "MR" and attack_class(view.attack).family in STACKED


def pairs(runs: PairedRuns, runtime: str) -> Iterator[Pair]:
    """The comparisons of AUCs that NR, SR and MR ask for, on one runtime.

    Where there is a choice of attack the shadows made it: the NR attack that did best on the shadows' originals, and
    the best SR attack of each variant. A control shows what the extra training alone leaks.
    """
    views = [view for view in runs.views if view.runtime == runtime]
    alone = [view for view in views if view.adversary == "NR"]
    original = runs.best([view for view in alone if view.variants == (ORIGINAL,)])
    for view in alone:
        if view.attack == original.attack and view != original:
            yield Pair("variant alone", view, original)
    seen_with = {view.variants: view for view in views if view.adversary == "SR"}
    best = [
        runs.best([view for view in views if view.adversary == "SR" and view.variants == variants])
        for variants in seen_with
    ]
    controls = [view for view in best if runs.is_control(view)]
    shipped = [view for view in best if not runs.is_control(view)]
    for view in best:
        yield Pair("SR", view, original)
    for view in shipped:
        yield from (Pair("SR beyond fine-tuning", view, control) for control in controls)
    for view in (view for view in views if view.adversary == "MR"):
        yield Pair("MR", view, original)
        if shipped:
            yield Pair("MR beyond SR", view, runs.best(shipped))
        yield from (Pair("MR beyond fine-tuning", view, control) for control in controls)


def compare_auc(runs: PairedRuns, asked: Sequence[Pair], *, level: float) -> list[Comparison]:
    """Compare AUCs; the intervals of all comparisons hold at once with probability ``level``."""
    corrected = 1.0 - (1.0 - level) / max(1, len(asked))
    return [_averaged(pair, runs.differences(pair.view, pair.against, level=corrected)) for pair in asked]


def compare_tpr(runs: PairedRuns, runtime: str, *, fpr: float, level: float, seed: int) -> list[Comparison]:
    """Compare the likelihoods on several variants with the stacked attacks on the same, by TPR at a low FPR.

    Differences come from a paired bootstrap over records, drawn within members and within non-members; their intervals
    hold at once with probability ``level``. Empty where nothing is to be compared, or where there are too few
    non-members to fix a threshold.
    """
    several = [view for view in runs.views if view.runtime == runtime and view.adversary == "MR"]
    asked = [
        Pair(f"TPR at {fpr:.1%} FPR", view, other)
        for view in several
        for other in several
        if is_joint(view) and is_stacked(other) and other.variants == view.variants
    ]
    if not asked or not all(estimate.resolvable for estimate in runs.tpr(asked[0].view, fpr)):
        return []
    corrected = 1.0 - (1.0 - level) / len(asked)
    comparisons = []
    for pair in asked:
        sides = zip(runs.scores(pair.view), runs.scores(pair.against), runs.memberships, strict=True)
        each = tuple(
            stats.bootstrap(partial(_gain, fpr=fpr), [a, b, m], strata=m, draws=DRAWS, level=corrected, seed=seed)
            for a, b, m in sides
        )
        comparisons.append(_averaged(pair, each))
    return comparisons


def _averaged(pair: Pair, each: Sequence[Estimate]) -> Comparison:
    return Comparison(pair, stats.average(each), tuple(estimate.value for estimate in each))


def _gain(a: FloatArray, b: FloatArray, membership: IntArray, *, fpr: float) -> float:
    return tpr_value(a, membership, fpr) - tpr_value(b, membership, fpr)


def tpr_value(scores: FloatArray, membership: IntArray, fpr: float) -> float:
    """The highest TPR whose FPR is at most ``fpr``: the value of `stats.tpr_at_fpr` in a fraction of its time."""
    others = scores[membership == 0]
    allowed = int(fpr * len(others) + 1e-9)
    # The score that one non-member too many reaches: only what lies above it may be called a member.
    cut = -np.partition(-others, allowed)[allowed]
    return float((scores[membership == 1] > cut).mean())
