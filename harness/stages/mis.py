"""Stage `mis`: candidates of each quantizer, run on the device -> the MIS indicator and its ranking."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from harness import mis
from harness.config import AuditConfig
from harness.run import Run
from harness.stages.collect import gather
from harness.stages.export import candidates_of
from harness.stages.material import Material
from harness.stages.tools import Tools

__all__ = ["indicate"]

POPULATION = "mis"


def indicate(config: AuditConfig, run: Run, tools: Tools) -> dict[str, object]:
    """Estimate how secure each quantizer is against the best possible membership attack (larger r is safer).

    The candidates are the same float checkpoints for every quantizer; each is exported, answers the same held-out
    records on the device, and its losses are taken from what the device said.

    Returns:
        One row per quantizer with r, its interval, the predicted MIS and the ranking's probabilities.
    """
    if not config.mis.enabled:
        return {"quantizers": []}
    run.require("export")
    material, info = Material.load(config), tools.device.info()
    records = material.population(POPULATION)
    candidates = candidates_of(run, config)
    losses: dict[str, np.ndarray] = {}
    for quantizer in config.mis.quantizers:
        mine = [artifact for artifact in candidates if artifact.variant == quantizer]
        gather(config, run, tools, mine, POPULATION, records, info=info, label=f"mis {quantizer}")
        answers = [run.read_answers(POPULATION, artifact.key).astype(np.float64) for artifact in mine]
        rows = [
            mis.losses_from_confidences(log_softmax(a, axis=1), records.labels, log_confidences=True) for a in answers
        ]
        losses[quantizer] = np.stack(rows)
    last = config.mis.candidates - 1  # the last checkpoint is what ships
    found = mis.estimate(
        losses,
        n=len(material.split.training),
        level=config.attack.level,
        seed=config.seed,
        strata=records.labels,
        deployed=dict.fromkeys(config.mis.quantizers, last),
    )
    return {
        "n": len(material.split.training),
        "n_eval": len(records),
        "generator": "trajectory",
        "runtime": config.mis.runtime,
        "quantizers": [row.to_json() for row in found],
    }
