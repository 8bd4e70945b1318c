"""Schemas of what the stages of an audit found, as `harness.results` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from harness.schemas._shapes import (
    ANYTHING,
    COUNT,
    FLAG,
    INTEGER,
    NUMBER,
    TEXT,
    TEXTS,
    Schema,
    by_name,
    choice,
    listed,
    nullable,
    pair,
    record,
    ref,
)
from harness.types import Adversary

__all__ = ["DEFINITIONS"]

_NAMED = nullable(TEXT)
_ESTIMATE = record(
    {
        "value": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "n": COUNT,
        "method": TEXT,
        "level": NUMBER,
        "resolvable": FLAG,
    },
    {"needed_n": COUNT},
    says="A value with an interval of the given level, the records behind it, and how both were made.",
)
_TPR = record(
    {
        "fpr": NUMBER,
        "false_positives": COUNT,
        "threshold": NUMBER,
        "at_threshold": pair(NUMBER),
        "tied": NUMBER,
    },
    {"needed_n": COUNT},
    base=_ESTIMATE,
    says="A true-positive rate at a false-positive rate.",
)
# A rate that a damaged file lost is an estimate without one.
_RATES = by_name({"anyOf": [ref("tpr"), ref("estimate")]})
_VIEW = record(
    {
        "adversary": choice(get_args(Adversary)),
        "attack": TEXT,
        "variants": TEXTS,
        "runtime": _NAMED,
        "device": _NAMED,
    },
    says="Who looks, with which attack, at which variants, and where they run.",
)
_MEASURES = record(
    {
        "auc": ref("estimate"),
        "balanced_accuracy": ref("estimate"),
        "tpr_at_fpr": _RATES,
        "epsilon_lower": ref("estimate"),
        "versus_original": nullable(ref("estimate")),
    },
    says="How well one attack does.",
)
_RESULT = record(
    {
        "trained_on": TEXT,
        "n_members": COUNT,
        "n_nonmembers": COUNT,
        **_MEASURES["properties"],
        "simultaneous": ref("measures"),
        "versus_attack": _NAMED,
        "is_control": FLAG,
        "threshold": NUMBER,
        "shadow_auc": NUMBER,
        "design_effect": NUMBER,
        "references": COUNT,
        "chosen": by_name({"type": ["string", "number", "boolean"]}),
        "cut_note": TEXT,
    },
    base=_VIEW,
    says="One attack on one view; `simultaneous` has its figures with intervals that hold for the whole audit at once.",
)
_SKIPPED = record({"reason": TEXT}, base=_VIEW, says="An attack that did not run.")
_INCREASE = record(
    {"against": TEXT, "difference": ref("estimate"), "simultaneous": ref("estimate"), "is_control": FLAG},
    base=_VIEW,
    says="How much more the strongest attack in a view finds than the strongest on the original alone.",
)
_CORRECTION = record(
    {"figures": COUNT, "level": NUMBER, "pointwise": NUMBER, "z": NUMBER, "bonferroni_z": NUMBER},
    says="How the intervals of one family of figures were made to hold at once.",
)
_NULL = record(
    {
        "attacks": COUNT,
        "n_members": COUNT,
        "n_nonmembers": COUNT,
        "level": NUMBER,
        "permutations": COUNT,
        "missing": TEXTS,
        "miss_share": NUMBER,
        "null_share": NUMBER,
        "null_quantile": NUMBER,
        "p_value": NUMBER,
        "max_z": NUMBER,
        "critical_z": NUMBER,
        "max_z_p_value": NUMBER,
        "holds": FLAG,
    },
    says="How often the attacks' intervals miss an AUC of 0.5, beside what shuffled membership does.",
)
_PARITY = record(
    {"max_abs_difference": NUMBER, "flips": COUNT, "n": COUNT, "reference": TEXT},
    says="How far a device's answers lie from the reference's.",
)
_LATENCY = record(
    {
        "p50_ns": ref("estimate"),
        "p90_ns": nullable(ref("estimate")),
        "p95_ns": ref("estimate"),
        "p99_ns": nullable(ref("estimate")),
        "runs": COUNT,
        "rounds": COUNT,
        "throttled": FLAG,
        "throttled_because": TEXTS,
        "batch_size": COUNT,
        "threads": COUNT,
        "ratio": nullable(ref("estimate")),
        "not_compared": TEXT,
        "cold_load_ns": NUMBER,
        "first_inference_ns": NUMBER,
        "peak_bytes": NUMBER,
        "added_bytes": NUMBER,
    },
    says="Kernel time of one file on one device, in nanoseconds.",
)
_ARTIFACT = record(
    {
        "variant": TEXT,
        "runtime": TEXT,
        "is_control": FLAG,
        "sha256": TEXT,
        "size_bytes": NUMBER,
        "zip_bytes": NUMBER,
        "tensors": NUMBER,
        "share_zeros": NUMBER,
        "distinct_values": listed(INTEGER),
        "weights": listed(ANYTHING),
        "outputs": TEXT,
        "accuracy_members": nullable(ref("estimate")),
        "accuracy_nonmembers": nullable(ref("estimate")),
        "parity": nullable(ref("parity")),
        "latency": nullable(ref("latency")),
        "telemetry": by_name(ANYTHING),
    },
    {"device": TEXT},
    says="One variant on one runtime: what its file holds, how well it answers, how fast, how like its reference.",
)
_LEAKAGE = record(
    {
        "delta": ref("estimate"),
        "logs": listed(NUMBER),
        "law": TEXT,
        "status": TEXT,
        "needed_records": nullable(COUNT),
        "plug_in": NUMBER,
        "replaced": nullable(ref("estimate")),
    },
    says="How much the best membership attack on one quantizer gains over guessing, predicted.",
)
_WITNESS = record(
    {"attack": TEXT, "variant": TEXT, "runtime": TEXT, "advantage": ref("estimate")},
    says="The attack on the same variant that shows most.",
)
_COMPARISON = record(
    {"log_ratio": ref("estimate"), "verdict": TEXT},
    says="Whether one quantizer leaks more than another.",
)
_QUANTIZER = record(
    {
        "quantizer": TEXT,
        "r": NUMBER,
        "ci": pair(NUMBER),
        "level": NUMBER,
        "r_naive": NUMBER,
        "r_chernoff": NUMBER,
        "r_floor": NUMBER,
        "n_r": NUMBER,
        "leakage": ref("leakage"),
        "mis_predicted": NUMBER,
        "witness": nullable(ref("witness")),
        "comparisons": by_name(ref("comparison")),
        "k": COUNT,
        "k_eff": COUNT,
        "n": COUNT,
        "n_eval": COUNT,
        "method": TEXT,
        "regime": TEXT,
        "status": TEXT,
        "flags": TEXTS,
        "rank_probabilities": listed(NUMBER),
        "differences": by_name(ref("estimate")),
        "generator": TEXT,
        "rank": nullable(listed(COUNT)),
    },
    says="The predicted leakage and the MIS indicator of one quantizer.",
)
_MIS = record(
    {
        "n": COUNT,
        "n_eval": COUNT,
        "generator": TEXT,
        "runtime": TEXT,
        "quantizers": listed(ref("quantizer")),
    },
    says="The MIS indicator of the quantizers.",
)
_SLICE = record(
    {"column": TEXT, "value": TEXT, "n_members": COUNT, "n_nonmembers": COUNT},
    says="The records that have one value in one column.",
)
_SLICE_RESULT = record(
    {
        "auc": ref("estimate"),
        "tpr_at_fpr": _RATES,
        "simultaneous": record({"auc": ref("estimate"), "tpr_at_fpr": _RATES}),
    },
    base=_SLICE,
    says="What one attack finds about a part of the records.",
)
_SLICED_VIEW = record(
    {"chosen_on": TEXT, "whole": ref("estimate"), "slices": listed(ref("slice_result"))},
    base=_VIEW,
    says="One view, and what its attack finds about every part of the records.",
)
_SLICES = record(
    {
        "minimum": COUNT,
        "views": listed(ref("sliced_view")),
        "too_small": listed(ref("slice")),
        "corrections": by_name(ref("correction")),
    },
    says="Leakage by class, and by column of groups.",
)
_PRIVACY_BOUND = record(
    {"epsilon": ref("estimate"), "mu": ref("estimate"), "gaussian_epsilon": ref("estimate")}, base=_VIEW
)
_CANARY_BOUND = record({"epsilon": ref("estimate"), "reason": TEXT}, base=_VIEW)
_PRIVACY = record(
    {
        "delta": NUMBER,
        "level": NUMBER,
        "bounds": listed(_PRIVACY_BOUND),
        "canaries": nullable(
            record(
                {
                    "n": COUNT,
                    "n_members": COUNT,
                    "coin_p_value": NUMBER,
                    "refused": TEXT,
                    "bounds": listed(_CANARY_BOUND),
                }
            )
        ),
    },
    says="Bounds in the terms of differential privacy.",
)
_DEVICES = record(
    {
        "devices": listed(
            record(
                {
                    "name": TEXT,
                    "folder": TEXT,
                    "status": choice(("finished", "lost")),
                    "missing": TEXTS,
                    "reason": TEXT,
                    "losses": COUNT,
                    "device": nullable(ANYTHING),
                    "null_calibration": nullable(ref("null_calibration")),
                }
            )
        ),
        "answers": listed(
            record({"variant": TEXT, "runtime": TEXT, "device": TEXT, "against": TEXT, "parity": ref("parity")})
        ),
        "attacks": listed(record({"against": TEXT, "difference": ref("estimate")}, base=_VIEW)),
    },
    says="What became of each of several devices, and how they differ.",
)
_RECORDS = record(
    {
        "views": listed(_VIEW),
        "n_members": COUNT,
        "n_nonmembers": COUNT,
        "records": listed(
            record(
                {
                    "id": INTEGER,
                    "class": INTEGER,
                    "is_member": FLAG,
                    "readings": listed(record({"score": NUMBER, "fpr": ref("estimate")})),
                }
            )
        ),
    },
    says="The most exposed records by id, where somebody asked for them.",
)

DEFINITIONS: Mapping[str, Schema] = {
    "estimate": _ESTIMATE,
    "tpr": _TPR,
    "view": _VIEW,
    "measures": _MEASURES,
    "result": _RESULT,
    "skipped": _SKIPPED,
    "increase": _INCREASE,
    "correction": _CORRECTION,
    "null_calibration": _NULL,
    "parity": _PARITY,
    "latency": _LATENCY,
    "artifact": _ARTIFACT,
    "quantizer": _QUANTIZER,
    "mis": _MIS,
    "leakage": _LEAKAGE,
    "witness": _WITNESS,
    "comparison": _COMPARISON,
    "slice": _SLICE,
    "slice_result": _SLICE_RESULT,
    "sliced_view": _SLICED_VIEW,
    "slices": _SLICES,
    "privacy": _PRIVACY,
    "devices": _DEVICES,
    "records": _RECORDS,
}
