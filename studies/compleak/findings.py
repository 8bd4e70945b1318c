"""Everything the study's page says, as one JSON object: settings, tables, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import stats
from harness.audit.stages.export import rows_of
from harness.store import Run
from harness.subject.trained import TrainedSubject
from studies.compleak._arms import Arm
from studies.compleak._comparisons import Comparison, low_fpr, pairs, resolve
from studies.compleak._evidence import Evidence, View, estimate
from studies.compleak.confound import PLACE

__all__ = ["SCHEMA", "confounded", "findings"]

SCHEMA = "edgeleak.study/1"


def findings(arms: Sequence[Arm]) -> dict[str, Any]:
    """Read the finished arms back and compare.

    Returns:
        Settings, one row per model file, per view and per comparison, the controls, and the mistaken protocol's rows.
    """
    config = arms[0].config
    level, fpr = config.attack.level, min(config.attack.fprs)
    real = [arm for arm in arms if not arm.config.null]
    honest = Evidence(real)
    asked = [pair for runtime in config.export.runtimes for pair in pairs(honest, runtime)]
    compared = resolve(honest, asked, level=level)
    for runtime in config.export.runtimes:
        compared += low_fpr(honest, runtime, fpr=fpr, level=level, seed=config.seed)
    nulls = [_null(arm) for arm in arms if arm.config.null]
    return {
        "schema": SCHEMA,
        "config": config.to_json(),
        "device": Run(real[0].folder, real[0].config).read_json("results/collect.json")["device"],
        "level": level,
        "fpr": fpr,
        "seeds": [arm.config.seed for arm in real],
        "files": _files(real),
        "views": [_view(honest, view, fpr) for view in honest.views],
        "comparisons": [_comparison(c) for c in compared],
        "controls": {name: _controls(real, name) for name in ("permuted", "copy")},
        "null": nulls,
        "confounded": [row for arm in arms if arm.confounded and not arm.config.null for row in _confounded(arm, arms)],
    }


def confounded(arm: Arm) -> Evidence:
    """The results of one arm under the mistaken protocol."""
    return Evidence([arm], stage="confound", place=PLACE)


def _files(real: Sequence[Arm]) -> list[dict[str, Any]]:
    """One row a file of the target: accuracy over the seeds, and what the first seed's file holds."""
    collected = [Run(arm.folder, arm.config).read_json("results/collect.json")["artifacts"] for arm in real]
    held = rows_of(Run(real[0].folder, real[0].config), real[0].config, TrainedSubject.load(real[0].config))
    rows = []
    for place, row in enumerate(collected[0]):
        same = [artifacts[place] for artifacts in collected]
        inside = next(h for h in held if (h["variant"], h["runtime"]) == (row["variant"], row["runtime"]))
        rows.append(
            {
                "variant": row["variant"],
                "runtime": row["runtime"],
                "size_bytes": inside["size_bytes"],
                "zip_bytes": inside["zip_bytes"],
                "share_zeros": inside["share_zeros"],
                "distinct_values": max(inside["distinct_values"]),
                **{
                    side: stats.average([estimate(a[side]) for a in same]).to_json()
                    for side in ("accuracy_members", "accuracy_nonmembers")
                },
            }
        )
    return rows


def _view(evidence: Evidence, view: View, fpr: float) -> dict[str, Any]:
    each = evidence.auc(view)
    return {
        **_named(view),
        "is_control": view.is_control,
        "auc": stats.average(each).to_json(),
        "each": [e.value for e in each],
        "tpr": stats.average(evidence.tpr(view, fpr)).to_json(),
        "balanced_accuracy": stats.average(
            [estimate(row["balanced_accuracy"]) for row in evidence.rows(view)]
        ).to_json(),
        "epsilon_lower": [row["epsilon_lower"]["value"] for row in evidence.rows(view)],
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "question": one.question,
        "view": _named(one.view),
        "against": _named(one.against),
        "difference": one.difference.to_json(),
        "each": list(one.each),
        "answer": one.answer,
    }


def _controls(real: Sequence[Arm], name: str) -> list[dict[str, Any]]:
    """Permuted and copied attacks, averaged over the seeds."""
    per_arm = [Run(arm.folder, arm.config).read_json("results/controls.json")[name] for arm in real]
    rows = []
    for same in zip(*per_arm, strict=True):
        aucs = [estimate(row["auc"]) for row in same]
        row: dict[str, Any] = {**_named(View.of(same[0])), "auc": stats.average(aucs).to_json()}
        row["each"] = [e.value for e in aucs]
        if same[0]["versus_original"] is not None:
            row["versus"] = same[0]["versus_attack"]
            row["difference"] = stats.average([estimate(r["versus_original"]) for r in same]).to_json()
        rows.append(row)
    return rows


def _null(arm: Arm) -> dict[str, Any]:
    evidence = Evidence([arm])
    calibration: dict[str, Any] = evidence.found[0]["null_calibration"]
    best = evidence.headline(evidence.views)
    worst = max(evidence.views, key=lambda v: abs(evidence.auc(v)[0].value - 0.5))
    return {
        "seed": arm.config.seed,
        "calibration": calibration,
        "attacks": len(evidence.views),
        "missed": sum(not evidence.auc(v)[0].holds(0.5) for v in evidence.views),
        "missed_corrected": sum(
            not estimate(evidence.rows(v)[0]["simultaneous"]["auc"]).holds(0.5) for v in evidence.views
        ),
        "headline": {**_named(best), "auc": evidence.auc(best)[0].to_json()},
        "farthest": {**_named(worst), "auc": evidence.auc(worst)[0].to_json()},
    }


def _confounded(arm: Arm, arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """Each view under both protocols, and in the null twin under both, where there is one; None where not attacked."""
    twin = next((a for a in arms if a.config.null and a.config.seed == arm.config.seed and a.confounded), None)
    sources = {"honest": Evidence([arm]), "mistaken": confounded(arm)}
    if twin is not None:
        sources |= {"null_honest": Evidence([twin]), "null_mistaken": confounded(twin)}
    rows = []
    for view in sources["mistaken"].views:
        row: dict[str, Any] = {"seed": arm.config.seed, **_named(view)}
        for name, evidence in sources.items():
            row[name] = evidence.auc(view)[0].to_json() if view in evidence.views else None
        rows.append(row)
    return rows


def _named(view: View) -> dict[str, Any]:
    return {
        "runtime": view.runtime,
        "adversary": view.adversary,
        "attack": view.attack,
        "variants": list(view.variants),
    }
