"""The study's sentences, by rule, so that the words cannot say more than the figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from harness.types import Estimate
from studies.kit.markdown import NONE, interval
from studies.mis_synthetic.claims import CLAIMS, HOLDS, OPPOSITE
from studies.mis_synthetic.judged import ALL, BITS, ENTROPY
from studies.mis_synthetic.predictions import GENERATORS

__all__ = ["claims_said", "sentences", "verdict"]

Row = dict[str, Any]


def verdict(beyond: Estimate) -> str:
    """Whether a printed order is better than one that looks at no data."""
    if not beyond.resolvable or beyond.low <= 0.0 <= beyond.high:
        return "is not told apart from"
    return "beats" if beyond.low > 0.0 else "does not beat"


def sentences(findings: Row) -> list[str]:
    """What the study says."""
    rows = {(row["laws"], row["figure"]): row for row in findings["generators"]}
    return [
        *(_order(rows, generator) for generator in GENERATORS),
        *_sizes(rows),
        _learners(rows),
        *(_claim(findings, claim) for claim in CLAIMS),
    ]


def _order(rows: dict[tuple[str, str], Row], generator: str) -> str:
    row = rows[ALL, generator]
    tau = Estimate.from_json(row["tau"])
    parts = []
    for bits in (BITS, ENTROPY):
        beyond = Estimate.from_json(row[f"beyond {bits}"])
        if beyond is not None:
            shown = "" if not beyond.resolvable else f" ({interval(beyond, digits=2, sign=True)})"
            parts.append(f"{verdict(beyond)} that of {bits}{shown}")
    shown = "cannot be resolved" if tau is None or not tau.resolvable else f"{interval(tau, digits=2)}, {tau.n} pairs"
    attacked = row["contradicted"]
    contradicted = (
        ""
        if attacked is None
        else f"; an attacker contradicts {attacked['value']:.0%} of {attacked['n']} resolved answers"
    )
    return f"**{generator.capitalize()}**: tau {shown}; the printed order {' and '.join(parts)}{contradicted}."


def _sizes(rows: dict[tuple[str, str], Row]) -> Iterator[str]:
    """How near the printed figures come to the truth where they claim to be resolved."""
    for kind, words in (("regression", "four weights"), ("mixture", "128 weights")):
        known = {g: row for g in GENERATORS if (row := rows[f"rounded, {kind}", g])["ratio"] is not None}
        parts = [f"{g} {row['ratio'][0]:.2f} (n = {row['ratio_n']})" for g, row in known.items()]
        if parts:
            yield f"Predicted over true leakage where resolved, {kind} laws ({words}), medians: {', '.join(parts)}."


def _learners(rows: dict[tuple[str, str], Row]) -> str:
    """Joint flips assume a minimiser over all codes: do they fit it better than rounding?"""
    parts = []
    for laws, figure in rows:
        if not laws.startswith("codes, ") or figure != "joint flips":
            continue
        best, rounded = rows[laws, figure], rows[laws.replace("codes,", "rounded,"), figure]
        if best["ratio"] is None or rounded["ratio"] is None:
            continue
        parts.append(f"{best['ratio'][0]:.2f} and {rounded['ratio'][0]:.2f} at correlation {laws.rpartition(', ')[2]}")
    said = "; ".join(parts) if parts else "too few cases"
    return (
        "Joint flips assume a learner that takes the best of all codes. Predicted over true leakage (median) beside "
        f"that learner and beside rounded weights: {said}."
    )


def _claim(findings: Row, claim: str) -> str:
    rows = [row for row in findings["claims"] if row["claim"] == claim]
    parts = []
    for by in rows[0]["by"] if rows else ():
        given = [row["by"][by]["verdict"] for row in rows if row["by"][by] is not None]
        if given:
            counts = f"holds in {given.count(HOLDS)}, does not in {given.count(OPPOSITE)} of {len(given)} settings"
            parts.append(f"by {by} {counts}")
    return f'"{claim}": {"; ".join(parts)}; the others are not resolved.'


def claims_said(judged: Row | None, by: str) -> str:
    """A claim's verdict, and the closest comparison behind it."""
    if judged is None:
        return NONE
    gap = judged["gap"]
    if by == "trained attacker":
        shown = f"{gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"
    else:
        shown = "{:.2f} [{:.2f}, {:.2f}]".format(*(math.exp(gap[key]) for key in ("value", "low", "high")))
    return f"{judged['verdict']} ({judged['closest']}: {shown})"
