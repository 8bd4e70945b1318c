"""Results as a run's files hold them, read back as types: what the policy judges."""

from __future__ import annotations

from typing import Any

from harness.policy import Answerable
from harness.results import ArtifactResult, AttackFindings, Increase, Parity, Result
from harness.types import Estimate

__all__ = ["AUDIT", "artifact", "estimate", "findings", "result"]

# What a common audit measures: four attacks on two compressed variants, the original and a control.
AUDIT = Answerable(
    variants=("original", "finetuned", "int8", "prune-0.6"),
    controls=("finetuned",),
    attacks={"confidence": "NR", "rmia": "NR", "sr2-rf": "SR", "mr-gbt": "MR"},
    fprs=(0.05, 0.01),
    has_reference=True,
)


def estimate(value: float, half: float, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": 800, "resolvable": True, **more}


def result(value: float, half: float = 0.02, wide: float = 0.04, **more: Any) -> Result:
    """NR by `confidence` on `int8` with this AUC, an interval of this half, and this wide a corrected one."""
    return Result.from_json(
        {
            "adversary": "NR",
            "attack": "confidence",
            "variants": ["int8"],
            "runtime": "litert",
            "auc": estimate(value, half),
            "simultaneous": {"auc": estimate(value, wide)},
            **more,
        }
    )


def findings(*results: Result) -> AttackFindings:
    """The results, and an increase for each view of more than the original alone: its own difference."""
    return AttackFindings(results, increases=tuple(map(increase, filter(_is_compared, results))))


def increase(result: Result) -> Increase:
    """The result's difference from the original as that of its view; unknown where it has none."""
    return Increase(
        view=result.view,
        against="rmia",
        difference=result.versus_original or Estimate.unknown(),
        simultaneous=result.simultaneous.versus_original or Estimate.unknown(),
        is_control=result.is_control,
    )


def _is_compared(result: Result) -> bool:
    return result.variants != ("original",)


def artifact(flips: int | None, n: int = 800, *, variant: str = "int8", is_control: bool = False) -> ArtifactResult:
    """An artifact that flips so many of n records; None where it was not compared."""
    parity = None if flips is None else Parity(1.0, flips, n)
    return ArtifactResult(variant=variant, runtime="litert", is_control=is_control, parity=parity)
