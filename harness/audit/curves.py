"""The ROC curves worth a picture: per runtime the strongest attack of each adversary, and of NR on the original."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from harness.report import Curve
from harness.results import Result
from harness.stats import clopper_pearson, roc
from harness.subject import ORIGINAL
from harness.types import FloatArray, IntArray, View

__all__ = ["strongest_curves"]


def strongest_curves(
    results: Iterable[Result], scores_of: Callable[[View], FloatArray], membership: IntArray
) -> dict[str, Curve]:
    """Label of the curve -> the curve, in the order of the labels.

    Args:
        results: those that ship.
        scores_of: gives the membership scores of a view.
        membership: 1 for members, 0 for non-members, ``[n]``.
    """
    chosen: dict[str, Result] = {}
    for result in results:
        alone = result.adversary == "NR" and result.variants == (ORIGINAL,)
        label = " ".join(filter(None, (result.runtime, "NR original" if alone else result.adversary)))
        if label not in chosen or result.auc.value > chosen[label].auc.value:
            chosen[label] = result
    return {label: _curve(label, row, scores_of(row.view), membership) for label, row in sorted(chosen.items())}


def _curve(label: str, result: Result, scores: FloatArray, membership: IntArray) -> Curve:
    """A curve with the exact interval of the true-positive rate at each threshold."""
    counts = roc(scores, membership)
    bounds = {tp: clopper_pearson(int(tp), counts.n_members) for tp in np.unique(counts.tp)}
    low, high = np.transpose([bounds[tp] for tp in counts.tp])
    on = "" if label.endswith("original") else f" ({'+'.join(result.variants)})"
    return Curve(
        label=f"{label}: {result.attack}{on}",
        fpr=counts.fpr,
        tpr=counts.tpr,
        low=low,
        high=high,
        n_members=counts.n_members,
        n_nonmembers=counts.n_nonmembers,
    ).thinned()
