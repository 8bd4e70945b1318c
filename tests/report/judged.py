"""Reports with verdicts as the gate makes them, for the outputs that are made of a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.policy import ArtifactName, Case, Outcome, RuleOutcome, Severity, Verdict, Waiver
from harness.report import Report
from harness.results import DeviceResult, DevicesFindings
from harness.types import Estimate, View
from tests.report import sample

__all__ = ["ACCEPTED", "EXPIRED", "case", "estimate", "example", "of_file", "report", "rule", "seen"]

ACCEPTED = Waiver(owner="ada", reason="known since 1.2", expires="2099-01-01")
EXPIRED = replace(ACCEPTED, expires="2020-01-01", is_expired=True)


def estimate(value: float, half: float = 0.02) -> Estimate:
    return Estimate(value, value - half, value + half, 800, "delong-score")


def seen(*variants: str, attack: str = "rmia", runtime: str = "litert", device: str = "") -> View:
    """A view of these variants; with the original among them it is the adversary's who sees both."""
    adversary: Any = "NR" if len(variants) == 1 else "SR" if "original" in variants else "MR"
    return View(adversary, attack, variants, runtime, device)


def of_file(variant: str, runtime: str = "litert", device: str = "") -> ArtifactName:
    return ArtifactName(variant, runtime, device)


def case(
    about: View | ArtifactName, outcome: Outcome, value: float | None = 0.7, waiver: Waiver | None = None, **more: str
) -> Case:
    figure = None if value is None else estimate(value)
    reason = f"{about} has {value}"
    return Case(about=about, outcome=outcome, reason=reason, estimate=figure, waiver=waiver, **more)


def rule(name: str, cases: Sequence[Case] = (), severity: Severity = "fail", **more: Any) -> RuleOutcome:
    """A rule of these cases, with the outcome that they make unless another is given."""
    opened = {one.outcome for one in cases if not one.is_waived}
    made = "fail" if "fail" in opened else "inconclusive" if "inconclusive" in opened else "pass"
    whole: dict[str, Any] = {
        "outcome": made, "reason": f"{name} is {made}", "quantity": "auc", "limit": 0.6,
        "file": "audit.toml", "line": 7,
    }  # fmt: skip
    return RuleOutcome(id=name, name=f"the rule {name}", severity=severity, cases=tuple(cases), **(whole | more))


def report(*rules: RuleOutcome, lost: Sequence[str] = (), name: str = "release") -> Report:
    """The report of a small audit with a verdict of these rules."""
    whole = replace(Report.from_json(sample.report()), name=name, verdict=Verdict(rules, policy="audit.toml"))
    if not lost:
        return whole
    devices = tuple(DeviceResult(name=one, folder=one, missing=("attack",), reason="it went away") for one in lost)
    return replace(whole, devices=DevicesFindings(devices))


def example() -> Report:
    """One finding of each kind, on two devices."""
    auc = rule(
        "auc",
        [
            case(seen("int8", device="pixel"), "fail", 0.71),
            case(seen("original", "int8", attack="sr2-rf", device="pixel"), "pass", 0.55),
            case(seen("prune", device="pixel"), "pass", 0.52),
            case(seen("prune", device="board"), "inconclusive", 0.6),
            case(seen("int8", device="board"), "fail", 0.7, ACCEPTED),
            case(seen("int4", device="board"), "fail", 0.7, EXPIRED),
        ],
    )
    parity = rule("parity", [case(of_file("int8", device="pixel"), "fail", 0.2)], severity="warn", line=12)
    lost = rule(
        "device-2", outcome="inconclusive", reason="phone lacks attack", file="", line=0, limit=None, quantity=""
    )
    return report(auc, parity, lost, lost=["phone"])
