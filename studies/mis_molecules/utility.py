"""What quantized heads are worth in use, and what they lose against the float, on the same resampled records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import rankdata

from harness.stats import Estimate
from harness.types import FloatArray, IntArray

__all__ = ["Utility", "utilities"]


@dataclass(frozen=True)
class Utility:
    """One head's use.

    Args:
        measures: ``auc`` and ``accuracy``, or ``rmse``; each with its interval.
        difference: AUC or RMSE less the float's, paired.
        lost: share of the float's advantage over knowing nothing that is gone: of its AUC above 1/2, or of its RMSE
            below that of a constant. 0 like the float, 1 like nothing; not resolvable where the float's is not above 0.
    """

    measures: Mapping[str, Estimate]
    difference: Estimate
    lost: Estimate


def utilities(
    outputs: Mapping[str, FloatArray],
    targets: FloatArray | IntArray,
    *,
    reference: str,
    classes: int | None,
    unit: float = 1.0,
    draws: int,
    level: float,
    seed: int,
) -> dict[str, Utility]:
    """Measure several heads on the same records.

    Args:
        outputs: name -> logit of class 1, or prediction, ``[N]``.
        targets: ``[N]``; class numbers, or values of which a constant's prediction is 0.
        reference: name that the others are compared with.
        classes: 2, or None for regression.
        unit: how much of the property 1 stands for, in regression.
        draws: resamples of the records, within classes.
        level: of the intervals.
        seed: of the resamples.
    """
    names = list(outputs)
    base = names.index(reference)
    answers = np.stack([outputs[name] for name in names])
    rng = np.random.default_rng(seed)
    groups = [np.arange(len(targets))] if classes is None else [np.flatnonzero(targets == c) for c in range(classes)]
    whole = _measure(answers, targets, classes)
    drawn = []
    for _ in range(draws):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        drawn.append(_measure(answers[:, rows], targets[rows], classes))
    resampled = np.stack(drawn)  # [draws, measures, Q]
    labels = ("rmse",) if classes is None else ("auc", "accuracy")
    scales = [unit if classes is None else 1.0] * len(labels)
    estimate = partial(_estimate, n=len(targets), level=level)
    lost, lost_drawn = _lost(whole, base, classes), _lost(resampled, base, classes)
    return {
        name: Utility(
            measures={
                label: estimate(scale * whole[m, q], scale * resampled[:, m, q])
                for m, (label, scale) in enumerate(zip(labels, scales, strict=True))
            },
            difference=estimate(
                scales[0] * (whole[0, q] - whole[0, base]), scales[0] * (resampled[:, 0, q] - resampled[:, 0, base])
            ),
            lost=estimate(lost[q], lost_drawn[:, q]),
        )
        for q, name in enumerate(names)
    }


def _measure(answers: FloatArray, targets: FloatArray | IntArray, classes: int | None) -> FloatArray:
    """AUC and accuracy, or RMSE and that of the constant 0, of each row: ``[2, Q]``."""
    if classes is None:
        rmse = np.sqrt(((answers - targets) ** 2).mean(axis=1))
        return np.stack([rmse, np.full(len(answers), math.sqrt((targets**2).mean()))])
    positives = targets == 1
    count = int(positives.sum())
    ranks = rankdata(answers, axis=1)[:, positives].sum(axis=1)
    auc = (ranks - count * (count + 1) / 2) / (count * (len(targets) - count))
    return np.stack([auc, ((answers > 0) == positives).mean(axis=1)])


def _lost(measured: FloatArray, base: int, classes: int | None) -> FloatArray:
    """Share of the reference's advantage that is gone, ``[..., Q]``; infinite where it has none."""
    value = measured[..., 0, :]
    own = value[..., base, None]
    nothing = 0.5 if classes is not None else measured[..., 1, :]
    advantage = own - nothing if classes is not None else nothing - own
    worse = own - value if classes is not None else value - own
    lost: FloatArray = np.divide(
        worse, advantage, out=np.full(np.shape(worse), np.inf), where=np.asarray(advantage > 0)
    )
    return lost


def _estimate(value: float, drawn: FloatArray, *, n: int, level: float) -> Estimate:
    method = "bootstrap-percentile"
    # Not interpolated: between infinities there is nothing.
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2], method="nearest")
    if not (math.isfinite(value) and math.isfinite(high)):
        return Estimate(math.nan, -math.inf, math.inf, n, method, level=level, resolvable=False)
    return Estimate(float(value), float(low), float(high), n, method, level=level)
