"""A report as an audit makes it, with everything that a hostile device and a small audit can put into it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.report import Curve
from harness.results import Comparison
from harness.types import Estimate

__all__ = ["HOSTILE", "answers", "curves", "estimate", "hostile", "null_twin", "report", "supplied", "unresolved"]

# A host name that would run in a page, end an attribute, move a terminal's cursor, be markup, and turn text round.
HOSTILE = "<script>alert(1)</script>\" onload='x' \x1b[2J[red]x[/red] \u202eevil\ud800 {{ 7*7 }} &amp;"

VARIANTS = ("original", "prune-0.6", "prune-0.8", "int8-ptq", "cluster-16", "finetuned")
RUNTIMES = ("litert", "executorch")


def estimate(value: float, half: float = 0.04, **more: object) -> dict[str, object]:
    """An estimate with a symmetric interval."""
    return {
        "value": value, "low": value - half, "high": value + half, "n": 800, "method": "delong", "level": 0.95,
        "resolvable": True, **more,
    }  # fmt: skip


def unresolved(needed_n: int | None) -> dict[str, object]:
    """An estimate that n cannot give."""
    needed = {} if needed_n is None else {"needed_n": needed_n}
    return {
        "value": None, "low": None, "high": None, "n": 800, "method": "clopper-pearson", "level": 0.95,
        "resolvable": False, **needed,
    }  # fmt: skip


def report() -> dict[str, Any]:
    """The realistic report; a fresh copy each time, in JSON's own types."""
    return copy.deepcopy(
        {
            "schema": "edgeleak.report/1",
            "edgeleak": "0.1.0",
            "name": "digits",
            "null": False,
            "created": "2026-02-03T04:05:06Z",
            "config": {"name": "digits", "seed": 0, "attacks": {"names": None}, "note": HOSTILE},
            "config_digest": "c0ffee" * 10,
            "seed": 0,
            "inputs_sha256": [],
            "subject": "trained",
            "device": _device(),
            "data": {
                "name": "digits", "members": 400, "nonmembers": 400, "shadow_members": 350, "shadow_nonmembers": 350,
                "shadows": 2, "population": 200, "calibration": 64, "duplicates_removed": 0,
            },
            "artifacts": [_artifact(i, v, r) for r in RUNTIMES for i, v in enumerate(VARIANTS)],
            "attacks": {
                "results": _results(), "skipped": _skipped(), "increases": _increases(),
                "corrections": {
                    runtime: {"figures": 170, "level": 0.98, "pointwise": 0.998, "z": 3.09, "bonferroni_z": 3.72}
                    for runtime in RUNTIMES
                },
            },
            "null_calibration": {
                "attacks": 80, "n_members": 400, "n_nonmembers": 400, "level": 0.95, "permutations": 500,
                "missing": ["litert/NR/rmia/prune-0.8"], "miss_share": 0.3, "null_share": 0.05, "null_quantile": 0.12,
                "p_value": 0.002, "max_z": 4.2, "critical_z": 3.1, "max_z_p_value": 0.004, "holds": False,
            },
            "slices": None,
            "privacy": None,
            "mis": _mis(),
            "gate": _gate(),
            "timings": {"train": 12.3, "collect": 0.25},
        }
    )  # fmt: skip


def supplied() -> dict[str, Any]:
    """Files that were supplied: no reference to compare with, no benchmark, and a sentence on how each was read."""
    whole = report()
    whole |= {"subject": "supplied", "mis": None, "inputs_sha256": ["da" * 32, "7a" * 32]}
    for artifact in whole["artifacts"]:
        kind = "logits: rows do not sum to one" if artifact["variant"] == "original" else "confidences: rows sum to one"
        artifact |= {"parity": None, "latency": None, "outputs": kind}
    return whole


def answers() -> dict[str, Any]:
    """Answers that were supplied: no device, no file, no runtime."""
    whole = report()
    whole |= {"subject": "answers", "device": None, "mis": None, "artifacts": [], "config": {}, "timings": {}}
    whole["inputs_sha256"] = ["da" * 32]
    attacks = whole["attacks"]
    results, increases = (
        [row for row in attacks[key] if row["runtime"] == "litert"] for key in ("results", "increases")
    )
    for row in (*results, *increases, *attacks["skipped"]):
        row["runtime"] = None
    attacks |= {"results": results, "increases": increases, "corrections": {"": attacks["corrections"]["litert"]}}
    return whole


def null_twin() -> dict[str, Any]:
    """The same audit with nobody a member."""
    twin = report()
    twin["null"] = True
    twin["null_calibration"] |= {"miss_share": 0.03, "p_value": 0.4, "max_z_p_value": 0.3}
    return twin


def hostile() -> dict[str, Any]:
    """Every text and every free key of a report is a hostile one; only those that name a known kind stay."""
    whole = supplied()
    whole |= {"mis": _mis(), "timings": {HOSTILE: 1.0}}
    whole["attacks"]["results"][0]["tpr_at_fpr"][HOSTILE] = estimate(0.1)
    spoiled: dict[str, Any] = _spoiled(whole)
    return spoiled


def _spoiled(node: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: _spoiled(value, name) for name, value in node.items()}
    if isinstance(node, list):
        return [_spoiled(value) for value in node]
    return f"{node} {HOSTILE}" if isinstance(node, str) and key not in ("adversary", "outcome", "subject") else node


def curves(names: int = 3, n: int = 400) -> dict[str, Curve]:
    """Curves of Gaussian scores, with bands on the first."""
    rng = np.random.default_rng(7)
    drawn = {}
    for k in range(names):
        members, others = rng.normal(0.4 * k, 1, n), rng.normal(0, 1, n)
        cuts = np.sort(np.concatenate([members, others]))[::-1]
        fpr = np.concatenate([[0.0], (others[None, :] >= cuts[:, None]).mean(axis=1)])
        tpr = np.concatenate([[0.0], (members[None, :] >= cuts[:, None]).mean(axis=1)])
        low, high = (np.clip(tpr - 0.03, 0, 1), np.clip(tpr + 0.03, 0, 1)) if k == 0 else (None, None)
        drawn[f"curve-{k}"] = Curve(f"attack {k} on <b>$\\prune</b>", fpr, tpr, low, high, n, n)
    return drawn


def _device() -> dict[str, object]:
    return {
        "url": "grpc://127.0.0.1:50051", "pid": 123, "hostname": HOSTILE, "machine": "aarch64",
        "operating_system": "Linux 6.1", "cpu_model": "Cortex-A76\x07" * 40, "cpu_count": 4,
        "memory_total_bytes": 8 * 2**30, "emulated": False, "runtimes": {"litert": "ai-edge-litert 2.3.0"},
    }  # fmt: skip


def _artifact(index: int, variant: str, runtime: str) -> dict[str, object]:
    slow = 1.0 if runtime == "litert" else 1.3
    latency = {
        "p50_ns": estimate(slow * (90_000 - 9_000 * index), 2_000), "p90_ns": estimate(slow * 130_000, 8_000),
        "p95_ns": estimate(slow * 140_000, 9_000),
        "p99_ns": unresolved(368) if variant == "prune-0.8" else estimate(slow * 200_000, 9_000),
        "runs": 100, "rounds": 8, "batch_size": 1, "threads": 1, "throttled": variant == "int8-ptq",
        "throttled_because": ["later runs took 1.40 times as long as earlier ones"] if variant == "int8-ptq" else [],
        "ratio": None if variant == "original" else estimate(1 - 0.1 * index, 0.15), "not_compared": "",
        "cold_load_ns": 3_000_000, "first_inference_ns": 400_000, "peak_bytes": 90 * 2**20,
        "added_bytes": 3 * 2**19,
    }  # fmt: skip
    counts = [16, 16, 15] if variant == "cluster-16" else []
    weights = [{"name": f"w{i}", "dtype": "float32", "distinct_values": count} for i, count in enumerate(counts)]
    return {
        "variant": variant, "runtime": runtime, "sha256": "ab" * 32, "size_bytes": 70_000 - 9_000 * index,
        "zip_bytes": 50_000 - 8_000 * index, "is_control": variant == "finetuned", "tensors": len(weights) or None,
        "share_zeros": 0.1 * index, "distinct_values": counts, "weights": weights, "outputs": "",
        "accuracy_members": estimate(0.995, 0.004), "accuracy_nonmembers": estimate(0.962, 0.02),
        "latency": None if (variant, runtime) == ("cluster-16", "executorch") else latency,
        "parity": {"max_abs_difference": 1e-6, "flips": 0, "n": 800, "reference": "torch eager, same weights"},
        "telemetry": {"before": {"temperature_celsius": 41.5}, "after": {"temperature_celsius": None}},
    }  # fmt: skip


def _measures(auc: float, half: float, variants: list[str]) -> dict[str, object]:
    rate = {"fpr": 0.1, "false_positives": 40, "threshold": 1.5, "at_threshold": [0.1, 0.3], "tied": 0.0}
    return {
        "auc": estimate(auc, half), "balanced_accuracy": estimate(auc - 0.02, half),
        "tpr_at_fpr": {
            "0.01": unresolved(1000) | rate | {"fpr": 0.01}, "0.1": estimate(auc - 0.4, half) | rate,
        },
        "epsilon_lower": {**estimate(0.21), "low": 0.21, "high": None},
        "versus_original": None if variants == ["original"] else estimate(auc - 0.6, 0.75 * half),
    }  # fmt: skip


def _result(adversary: str, attack: str, variants: list[str], runtime: str, auc: float) -> dict[str, object]:
    return {
        "adversary": adversary, "attack": attack, "variants": variants, "runtime": runtime, "device": None,
        "trained_on": "shadows", "is_control": "finetuned" in variants, "n_members": 400, "n_nonmembers": 400,
        **_measures(auc, 0.04, variants), "simultaneous": _measures(auc, 0.06, variants),
        "versus_attack": None if variants == ["original"] else attack, "threshold": 0.7, "shadow_auc": None,
        "design_effect": 1.0, "references": 0, "chosen": {}, "cut_note": "",
    } | (_WITH_REFERENCES if attack == "rmia" else {})  # fmt: skip


_WITH_REFERENCES = {
    "references": 2, "chosen": {"a": 0.3, "gamma": 2.0},
    "cut_note": "of 2 shadows only one has references of its own: the cut rests on that one",
}  # fmt: skip


def _results() -> list[dict[str, object]]:
    results = []
    for runtime in RUNTIMES:
        for i, variant in enumerate(VARIANTS):
            results += [
                _result("NR", a, [variant], runtime, 0.6 + 0.01 * i - d) for a, d in (("rmia", 0.0), ("gbt", 0.02))
            ]
            if variant != "original":
                results.append(_result("SR", "sr", ["original", variant], runtime, 0.62 + 0.012 * i))
        results.append(_result("MR", "mr-gbt", list(VARIANTS[:5]), runtime, 0.66))
    # A control on an ordinary variant that would be the strongest attack of all if it counted.
    results.append(_result("NR", "permuted-labels", ["prune-0.6"], "litert", 0.93) | {"is_control": True})
    samia = _result("NR", "samia", ["prune-0.8"], "litert", 0.5)
    corrected = _measures(0.5, 0.06, ["prune-0.8"]) | {"auc": unresolved(None)}
    results.append(samia | {"auc": unresolved(None), "simultaneous": corrected})
    # Cross-fitted, with scores of which most are the same.
    crossed = _result("NR", "gap", ["prune-0.8"], "litert", 0.61) | {"trained_on": "members", "design_effect": 2.0}
    for measures in (crossed, crossed["simultaneous"]):
        assert isinstance(measures, dict)
        measures["tpr_at_fpr"]["0.1"] = measures["tpr_at_fpr"]["0.1"] | unresolved(None) | {"tied": 0.75}
    results.append(crossed)
    return results


def _increases() -> list[dict[str, object]]:
    """Of each runtime one view that leaks more, one that leaks less, some that are not resolved, and a control."""
    views = (
        ("NR", "rmia", ["prune-0.6"], -0.12), ("NR", "rmia", ["int8-ptq"], 0.02),
        ("SR", "sr", ["original", "cluster-16"], 0.03), ("SR", "sr", ["original", "finetuned"], 0.08),
        ("MR", "mr-gbt", list(VARIANTS[:5]), 0.11),
    )  # fmt: skip
    return [
        {
            "adversary": adversary, "attack": attack, "variants": variants, "runtime": runtime, "device": None,
            "against": "rmia", "difference": estimate(value, 0.03), "simultaneous": estimate(value, 0.05),
            "is_control": "finetuned" in variants,
        }
        for runtime in RUNTIMES
        for adversary, attack, variants, value in views
    ]  # fmt: skip


def _skipped() -> list[dict[str, object]]:
    reason = "lira needs reference models; train shadows or give cross/<k>/confidences"
    return [
        {
            "attack": "lira", "adversary": "NR", "variants": [v], "runtime": "litert", "device": None,
            "reason": reason,
        }
        for v in VARIANTS
    ]  # fmt: skip


def _mis() -> dict[str, object]:
    """Five quantizers: one safer than two that cannot be told apart, one refuted by an attack, one not probed."""
    tied, wide = estimate(-0.5, 0.8), estimate(-17.0, 2.0)
    farther = wide | {"value": 17.0, "low": 15.0, "high": 19.0}
    return {
        "n": 400, "n_eval": 600, "generator": "flips", "runtime": "litert",
        "quantizers": [
            _quantizer(
                "int8", 0.001, _leakage(0.05), "local", comparisons={"int4": tied, "ternary": farther}, rank=(2, 3)
            ),
            _quantizer(
                "int4", 0.002, _leakage(0.08, status="unresolved", needed_records=48_000), "local",
                comparisons={"int8": tied | {"value": 0.5, "low": -0.3, "high": 1.3}, "ternary": farther},
                rank=(2, 3),
            ),
            _quantizer("sign", None, _leakage(None, status="single_candidate"), "tail", status="single_candidate"),
            _quantizer("ternary", 0.05, _leakage(2e-9), "tail", comparisons={"int8": wide, "int4": wide}, rank=(1, 1)),
            _quantizer(
                "fp32", 0.03, _leakage(0.21, high=1.0, status="contradicted", replaced=estimate(0.01, 0.005)), "tail",
                flags=["not_erm", "contradicted_by_attack"], witness=_witness(0.35, 0.21),
            ),
        ],
    }  # fmt: skip


def _quantizer(
    name: str,
    r: float | None,
    leakage: dict[str, object],
    regime: str,
    *,
    status: str = "ok",
    flags: Sequence[str] = ("not_erm",),
    comparisons: Mapping[str, dict[str, object]] | None = None,
    witness: dict[str, object] | None = None,
    rank: Sequence[int] | None = None,
) -> dict[str, object]:
    delta = leakage["delta"]
    assert isinstance(delta, dict)
    return {
        "quantizer": name, "r": r, "ci": [r and r / 2, r and 2 * r], "level": 0.95, "r_naive": r,
        "r_chernoff": r, "r_floor": 0.0032, "n_r": r and 400 * r,
        "leakage": leakage, "mis_predicted": 1.0 - delta["value"] if leakage["status"] == "ok" else None,
        "comparisons": {
            other: {"log_ratio": ratio, "verdict": Comparison(Estimate.from_json(ratio) or Estimate.unknown()).verdict}
            for other, ratio in (comparisons or {}).items()
        },
        "witness": witness, "k": 12, "k_eff": 1 if r is None else 11, "n": 400, "n_eval": 600, "method": "gauss",
        "regime": regime, "status": status, "flags": list(flags), "rank_probabilities": [0.7, 0.3],
        "differences": {} if r is None else {"sign": estimate(r, r / 2)}, "generator": "flips",
        "rank": rank and list(rank),
    }  # fmt: skip


def _leakage(
    value: float | None,
    high: float | None = None,
    *,
    status: str = "ok",
    needed_records: int | None = None,
    replaced: dict[str, object] | None = None,
) -> dict[str, object]:
    if value is None:
        nothing = {"value": None, "low": 0.0, "high": 1.0, "resolvable": False}
        delta, logs = estimate(0.0) | nothing, [None, None, 0.0]
    else:
        ends = (value, value if high else value / 2, high or 1.5 * value)
        delta = estimate(0.0) | dict(zip(("value", "low", "high"), ends, strict=True))
        logs = [math.log(end) for end in ends]
    return {
        "delta": delta, "logs": logs, "law": "candidates", "status": status, "needed_records": needed_records,
        "plug_in": None, "replaced": replaced,
    }  # fmt: skip


def _witness(value: float, low: float) -> dict[str, object]:
    return {
        "attack": "rmia", "variant": "original", "runtime": "litert",
        "advantage": estimate(value) | {"low": low, "high": 2 * value - low},
    }  # fmt: skip


def _gate() -> dict[str, object]:
    reason = "AUC 0.65 on prune-0.8 is above the limit 0.60, and the whole interval lies above it"
    worst = {"adversary": "NR", "attack": "rmia", "variants": ["prune-0.8"], "runtime": "litert", "device": None}
    artifact = {"variant": "prune-0.8", "runtime": "litert"}
    waiver = {"owner": "ada " + HOSTILE, "reason": "known " + HOSTILE, "expires": "2099-01-01", "is_expired": False}
    failing = {
        "about": worst, "outcome": "fail", "reason": reason, "estimate": estimate(0.65),
    }  # fmt: skip
    accepted = failing | {"about": artifact, "waiver": waiver}
    whole = {
        "severity": "fail",
        "quantity": "auc",
        "limit": 0.6,
        "cases": [failing, accepted],
        "file": "a.toml",
        "line": 7,
    }
    return {
        "outcome": "fail",
        "rules": [
            {
                "id": "auc", "name": "max-auc", "outcome": "fail", "reason": reason, "estimate": estimate(0.65),
                "worst": worst,
            } | whole,
            {
                "id": "tpr", "name": "max-tpr-at-fpr-0.01", "outcome": "inconclusive", "estimate": unresolved(1000),
                "reason": "1% of 400 non-members is 4 false positives; 1000 non-members would resolve it " + HOSTILE,
                "worst": None,
            } | whole | {"quantity": "tpr_at_fpr[0.01]", "cases": []},
            {
                "id": "increase", "name": "not-worse", "outcome": "pass", "reason": "no variant", "estimate": None,
                "worst": artifact,
            } | whole | {"severity": "warn", "limit": None, "cases": [], "file": "", "line": 0},
        ],
        "policy": "the rules of audit.toml " + HOSTILE,
        "baseline": "",
        "notes": [],
    }  # fmt: skip
