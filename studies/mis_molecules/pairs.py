"""The paper's claims on one case: the compared pairs' gaps by the indicator, the prediction and the attackers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness import mis
from harness.types import Estimate
from studies.mis_molecules.attacker import Attacked, interval
from studies.mis_molecules.heads import FINITE
from studies.mis_molecules.predictions import Predictions

__all__ = ["CLAIMS", "CRITERIA", "answers_of"]

# Claim -> the quantizer that is said to be safer, and those it is compared with.
CLAIMS = {
    "sparse": ("ternary-0.9", tuple(name for name in FINITE if name != "ternary-0.9")),
    "sign": ("ternary-0.33", ("sign",)),
}
# What privacy is measured by: the indicator, the leakage that an audit prints by default (the law of undecided
# coordinates, settled by seeds 0 and 1), and two attackers.
CRITERIA = ("r", "predicted", "trained", "threshold")
Row = dict[str, Any]


def answers_of(found: Predictions, attacked: Mapping[str, Attacked], *, level: float) -> list[Row]:
    """By how much each claim's quantizer is safer than another on this case, positive where it is.

    ``gap`` is a difference of ``n r``, a difference of the logarithms of the predicted leakage, or one of advantages;
    null where one of the two was not probed. ``answer`` is what this case's own interval says at the level corrected
    for the claim's comparisons; r answers nothing where both quantizers nearly tie, whatever its values.
    """
    return list(_answers(found, attacked, level))


def _answers(found: Predictions, attacked: Mapping[str, Attacked], level: float) -> Iterator[Row]:
    estimated, law = found.estimated, found.coordinates
    for claim, (name, others) in CLAIMS.items():
        wide = 1.0 - (1.0 - level) / len(others)
        for other in others:
            by = {
                "r": _by_r(estimated[name], estimated[other]),
                "predicted": _by_prediction(law[name], other),
                **{how: _by_attack(one, name, other, wide) for how, one in attacked.items()},
            }
            yield {"claim": claim, "quantizer": name, "other": other, "by": by}


def _by_r(one: mis.QuantizerMis, other: mis.QuantizerMis) -> Row:
    gap = one.n * (one.r.value - other.r.value)
    if not (one.r.resolvable and other.r.resolvable and math.isfinite(gap)):
        return {"gap": None, "answer": "not resolved"}
    difference = one.differences.get(other.quantizer)
    if difference is None or (one.regime, other.regime) == ("local", "local"):
        return {"gap": gap, "answer": "not resolved"}
    return {"gap": gap, "answer": _answer(difference)}


def _by_prediction(one: mis.Coordinates, other: str) -> Row:
    compared = one.comparisons.get(other)
    if compared is None or not math.isfinite(compared.log_ratio.value):
        return {"gap": None, "answer": "not resolved"}
    # The intervals of comparisons hold for all pairs of quantizers at once.
    verdict = {"safer": "safer", "leaks more": "less safe"}.get(compared.verdict, "not resolved")
    return {"gap": -compared.log_ratio.value, "answer": verdict}


def _by_attack(attacked: Attacked, name: str, other: str, level: float) -> Row:
    gap = attacked.advantage[other] - attacked.advantage[name]
    drawn = np.asarray(attacked.drawn[other] - attacked.drawn[name])
    return {"gap": gap, "answer": _answer(interval(gap, drawn, attacked.retrainings, level))}


def _answer(difference: Estimate) -> str:
    if difference.low > 0:
        return "safer"
    return "less safe" if difference.high < 0 else "not resolved"
