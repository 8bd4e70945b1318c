"""The study's sentences, by rule, so that the words cannot say more than the figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from harness.types import Estimate
from studies.kit.markdown import NONE, interval
from studies.mis_synthetic.claims import CLAIMS, HOLDS, OPPOSITE
from studies.mis_synthetic.judged import ALL, BITS
from studies.mis_synthetic.predictions import GENERATORS

__all__ = ["claims_said", "sentences", "verdict"]

Row = dict[str, Any]
VERDICTS = ("beats", "is not told apart from", "does not beat")
ASSUMES_BEST = "joint flips"
KINDS = ("rounded, regression", "rounded, mixture", "rounded, logistic")


def verdict(beyond: Estimate) -> str:
    """Whether a printed order is better than one that looks at no data: one of :data:`VERDICTS`."""
    if not beyond.resolvable or beyond.low <= 0.0 <= beyond.high:
        return VERDICTS[1]
    return VERDICTS[0] if beyond.low > 0.0 else VERDICTS[2]


def sentences(findings: Row) -> list[str]:
    """What the study says."""
    rows = {(row["laws"], row["figure"]): row for row in findings["generators"]}
    return [
        _summary(rows),
        *(_order(rows, generator) for generator in GENERATORS),
        *_sizes(rows),
        _learners(rows),
        *(_claim(findings, claim) for claim in CLAIMS),
    ]


def _summary(rows: dict[tuple[str, str], Row]) -> str:
    """Which generators' orders beat the one that looks at no data."""
    of: dict[str, list[str]] = {}
    for generator in GENERATORS:
        beyond = Estimate.from_json(rows[ALL, generator][f"beyond {BITS}"])
        if beyond is not None:
            of.setdefault(verdict(beyond), []).append(generator)
    parts = [f"{words} bits per weight: {', '.join(of[words])}" for words in VERDICTS if words in of]
    return f"The printed order of quantizers that were rounded after training, over all laws, {'; '.join(parts)}."


def _order(rows: dict[tuple[str, str], Row], generator: str) -> str:
    row = rows[ALL, generator]
    beyond = Estimate.from_json(row[f"beyond {BITS}"])
    if beyond is None or not beyond.resolvable:
        return f"**{generator.capitalize()}**: too few pairs to say whether the printed order beats bits per weight."
    parts = []
    for kind in KINDS:
        of_kind = Estimate.from_json(rows[kind, generator][f"beyond {BITS}"]) if (kind, generator) in rows else None
        if of_kind is not None and of_kind.resolvable:
            parts.append(f"{kind.rpartition(', ')[2]} {interval(of_kind, digits=2, sign=True)}")
    return (
        f"**{generator.capitalize()}**: the printed order {verdict(beyond)} bits per weight (its tau less "
        f"theirs {interval(beyond, digits=2, sign=True)}, {beyond.n} pairs; by kind of law: {', '.join(parts)})."
    )


def _sizes(rows: dict[tuple[str, str], Row]) -> Iterator[str]:
    """How near the printed figures come to the truth, and how often attackers contradict them, where resolved."""
    for kind, words in (("regression", "four weights"), ("mixture", "128 weights")):
        known = {g: row for g in GENERATORS if (row := rows[f"rounded, {kind}", g])["ratio"] is not None}
        parts = [f"{g} {row['ratio'][0]:.2f} (n = {row['ratio_n']})" for g, row in known.items()]
        if parts:
            yield f"Predicted over true leakage where resolved, {kind} laws ({words}), medians: {', '.join(parts)}."
    shares = {g: share for g in GENERATORS if (share := rows[ALL, g]["contradicted"]) is not None}
    parts = [f"{g} {share['value']:.0%} of {share['n']}" for g, share in shares.items()]
    yield f"A trained attacker contradicts resolved answers: {', '.join(parts)}."


def _learners(rows: dict[tuple[str, str], Row]) -> str:
    """Joint flips assume a minimiser over all codes: do they fit it better than rounding?"""
    parts = []
    for laws, figure in rows:
        if not laws.startswith("codes, ") or figure != ASSUMES_BEST:
            continue
        best, rounded = rows[laws, figure], rows[laws.replace("codes,", "rounded,"), figure]
        taus = [Estimate.from_json(row["tau"]) for row in (best, rounded)]
        known = [interval(tau, digits=2) for tau in taus if tau is not None and tau.resolvable]
        if len(known) == 2:
            parts.append(f"{known[0]} and {known[1]} at correlation {laws.rpartition(', ')[2]}")
    said = "; ".join(parts) if parts else "too few pairs"
    return (
        f"{ASSUMES_BEST.capitalize()} assume a learner that takes the best of all codes, which rounding after training "
        f"is not once features are correlated or a grid's cuts lie off the middle between levels. Their tau with that "
        f"learner, and with rounded weights: {said}."
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
    if by in ("trained attacker", "n r"):
        digits = 3 if by == "trained attacker" else 1
        shown = interval(Estimate.from_json(gap), digits=digits, sign=True)
    else:
        shown = "{:.2f} [{:.2f}, {:.2f}]".format(*(math.exp(gap[key]) for key in ("value", "low", "high")))
    return f"{judged['verdict']} ({judged['closest']}: {shown})"
