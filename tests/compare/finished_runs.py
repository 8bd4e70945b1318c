"""Run folders as a finished audit leaves them, with scores made by rule: no model, no device, no data set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness import stats
from harness.config import AuditConfig, parse
from harness.results import AttackFindings, Measures, Result
from harness.store import Run
from harness.subject import AUDIT, CONTROL, TARGET
from harness.types import Estimate, FloatArray, IntArray, View, rate_key

N = 400
FPR = 0.05
MEMBERSHIP: IntArray = np.repeat([1, 0], N).astype(np.int64)

RMIA = View("NR", "rmia", ("original",), "litert")
INT8 = View("NR", "rmia", ("int8",), "litert")
WEAK = View("NR", "confidence", ("original",), "litert")
PAIR = View("SR", "sr2-rf", ("original", "int8"), "litert")
TUNED = View("SR", "sr2-rf", ("original", CONTROL), "litert")
JOINT = View("MR", "rmia-joint", ("original", "int8"), "litert")
STACK = View("MR", "mr-logistic", ("original", "int8"), "litert")
BOOSTED = View("MR", "mr-gbt", ("int8",), "litert")


def config(seed: int, *, null: bool = False) -> AuditConfig:
    """An audit whose data set is nowhere: whoever reads it fails."""
    data = {"name": "cifar10", "data_dir": "nowhere"}
    return parse({"name": "compared", "seed": seed, "null": null, "data": data, "attack": {"fprs": [FPR]}})


def scores(shift: float, seed: int) -> FloatArray:
    """Scores of members that lie as much above those of non-members, in standard deviations."""
    return np.asarray(np.random.default_rng(seed).normal(size=2 * N) + shift * MEMBERSHIP, dtype=np.float64)


def result(view: View, values: FloatArray, *, shadow_auc: float = math.nan) -> Result:
    """What an evaluation says of these scores."""
    curve = stats.roc(values, MEMBERSHIP)
    measures: dict[str, object] = {
        "auc": stats.auc(curve),
        "balanced_accuracy": Estimate.unknown(),
        "tpr_at_fpr": {rate_key(FPR): stats.tpr_at_fpr(curve, FPR)},
        "epsilon_lower": Estimate.unknown(),
        "versus_original": None,
    }
    return Result(
        **measures,  # type: ignore[arg-type]
        view=view,
        trained_on="shadows",
        n_members=N,
        n_nonmembers=N,
        simultaneous=Measures(**measures),  # type: ignore[arg-type]
        versus_attack=None,
        is_control=CONTROL in view.variants,
        threshold=0.0,
        shadow_auc=shadow_auc,
    )


def finished(
    folder: Path,
    shifts: Mapping[View, float],
    *,
    seed: int = 1,
    null: bool = False,
    shadow_auc: Mapping[View, float] | None = None,
) -> Run:
    """A run whose attacks have been run.

    Args:
        folder: where it lies.
        shifts: view -> how far its scores of members lie above the others.
        seed: of the audit; the scores of each view are drawn from it.
        null: whether it is a null twin.
        shadow_auc: AUC on the shadows, where it is not unknown.
    """
    with Run.open(folder, config(seed, null=null)) as run:
        results = []
        for place, (view, shift) in enumerate(shifts.items()):
            values = scores(shift, 100 * seed + place)
            run.arrays.write_scores(view.key, values)
            results.append(result(view, values, shadow_auc=(shadow_auc or {}).get(view, math.nan)))
        run.arrays.write_membership(AUDIT, TARGET, membership=MEMBERSHIP, training=MEMBERSHIP)
        run.write_json("results/attack.json", AttackFindings(tuple(results)).to_json())
        run.finish("attack", 1.0)
    return run
