"""The paper's claims, judged over tasks for each representation and each measure of privacy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from scipy.special import ndtri

from harness.stats import Estimate
from studies.mis_molecules.agreement import over_tasks
from studies.mis_molecules.attacker import ATTACKERS
from studies.mis_molecules.heads import FLOAT
from studies.mis_molecules.pairs import CLAIMS, CRITERIA

__all__ = ["claims", "degradations"]

Row = dict[str, Any]
HOLDS, FAILS, UNRESOLVED = "holds", "does not hold", "not resolved"


def claims(cases: Sequence[Row], *, level: float) -> list[Row]:
    """One row a claim, representation and criterion.

    A claim about several others holds where it holds against each of them, with its whole interval (a test of a union,
    which needs no correction), and fails where one of them is safer at the level corrected for their number. Intervals
    are Student's over tasks, corrected for the number of representations.

    Args:
        cases: one a task and representation.
        level: of the intervals, before correction.
    """
    kinds = list(dict.fromkeys(case["representation"] for case in cases))
    wide = 1.0 - (1.0 - level) / len(kinds)
    return [
        _judged([case for case in cases if case["representation"] == kind], claim, criterion, wide)
        | {"representation": kind}
        for claim in CLAIMS
        for criterion in CRITERIA
        for kind in kinds
    ]


def _judged(cases: Sequence[Row], claim: str, criterion: str, level: float) -> Row:
    others = CLAIMS[claim][1]
    gaps = {other: list(_gaps(cases, claim, other, criterion)) for other in others}
    at_level = {other: over_tasks(values, level=level) for other, values in gaps.items()}
    corrected = 1.0 - (1.0 - level) / len(others)
    at_corrected = {other: over_tasks(values, level=corrected) for other, values in gaps.items()}
    # The rival that is hardest to tell apart, or safer.
    closest = min(others, key=lambda other: at_level[other].low if at_level[other].resolvable else -math.inf)
    verdict = UNRESOLVED
    if all(one.resolvable and one.low > 0 for one in at_level.values()):
        verdict = HOLDS
    elif any(one.resolvable and one.high < 0 for one in at_corrected.values()):
        verdict = FAILS
        closest = min(others, key=lambda other: at_corrected[other].high if at_corrected[other].resolvable else 0.0)
    by_task = [_of_task(case, claim, criterion) for case in cases]
    return {
        "claim": claim,
        "criterion": criterion,
        "verdict": verdict,
        "closest": closest,
        "gap": at_level[closest].to_json(),
        "tasks": {answer: by_task.count(answer) for answer in (HOLDS, FAILS, UNRESOLVED)},
    }


def _gaps(cases: Sequence[Row], claim: str, other: str, criterion: str) -> Iterator[float]:
    """Gaps of the cases; an attacker's in shares of what it reaches on the float, which differs by task."""
    for case in cases:
        gap = next(row for row in case["answers"] if (row["claim"], row["other"]) == (claim, other))["by"][criterion]
        value = math.nan if gap["gap"] is None else gap["gap"]
        if criterion in ATTACKERS:
            whole = next(row for row in case["rows"] if row["quantizer"] == FLOAT)["attack"][criterion]["value"]
            value = value / whole if whole > 0 else math.nan
        yield value


def _of_task(case: Row, claim: str, criterion: str) -> str:
    """What one task's own intervals say: a claim holds if it does against every other; one that is safer refutes it."""
    given = [row["by"][criterion]["answer"] for row in case["answers"] if row["claim"] == claim]
    if all(answer == "safer" for answer in given):
        return HOLDS
    return FAILS if "less safe" in given else UNRESOLVED


def degradations(cases: Sequence[Row], *, level: float) -> dict[str, Estimate]:
    """How much more of the float's advantage regression loses than classification, by quantizer.

    Means over the tasks of either kind; a normal interval for these tasks, corrected for the number of quantizers.
    Empty where a kind has no task in which it can be resolved.

    Args:
        cases: of one representation.
        level: of the intervals, before correction.
    """
    names = [row["quantizer"] for row in cases[0]["rows"] if row["quantizer"] != FLOAT]
    wide = 1.0 - (1.0 - level) / len(names)
    gaps = {}
    for name in names:
        kinds = [_mean_lost(cases, kind, name) for kind in ("regression", "classification")]
        if any(kind is None for kind in kinds):
            continue
        (lost, error, records), (base, base_error, base_records) = (kind for kind in kinds if kind is not None)
        reach = float(ndtri(0.5 + wide / 2)) * math.hypot(error, base_error)
        gap = lost - base
        gaps[name] = Estimate(gap, gap - reach, gap + reach, records + base_records, "normal", level=wide)
    return gaps


def _mean_lost(cases: Sequence[Row], kind: str, name: str) -> tuple[float, float, int] | None:
    """Mean share lost over a kind's tasks, its standard error, and the records behind it."""
    uses = [
        next(row["use"]["lost"] for row in case["rows"] if row["quantizer"] == name)
        for case in cases
        if case["kind"] == kind
    ]
    resolved = [use for use in uses if use["resolvable"]]
    if not resolved:
        return None
    errors = [(use["high"] - use["low"]) / (2.0 * float(ndtri(0.5 + use["level"] / 2))) for use in resolved]
    mean = sum(use["value"] for use in resolved) / len(resolved)
    return mean, math.hypot(*errors) / len(resolved), sum(use["n"] for use in resolved)
