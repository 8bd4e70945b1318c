"""Policies that a name stands for; docs/policy.md has the reasons for each number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from harness.config._rule import GateRule

__all__ = ["PRESETS", "Preset"]

Preset = Literal["strict", "standard", "report-only"]

_STANDARD = (
    GateRule(id="standard-auc", max=0.6),
    GateRule(id="standard-tpr", metric="tpr_at_fpr", at_fpr=0.01, max=0.1),
    GateRule(id="standard-increase", max_increase=0.05),
    GateRule(id="standard-parity", max_flip_share=0.05),
)
PRESETS: Mapping[Preset, tuple[GateRule, ...]] = {
    "strict": (
        GateRule(id="strict-auc", max=0.55, fails_when="possibly_above", min_n=500),
        GateRule(id="strict-tpr", metric="tpr_at_fpr", at_fpr=0.01, max=0.05, fails_when="possibly_above", min_n=500),
        GateRule(id="strict-increase", max_increase=0.02, fails_when="possibly_above", min_n=500),
        GateRule(id="strict-parity", max_flip_share=0.01),
    ),
    "standard": _STANDARD,
    "report-only": tuple(
        rule.model_copy(update={"id": rule.id.replace("standard", "report"), "severity": "warn"}) for rule in _STANDARD
    ),
}
