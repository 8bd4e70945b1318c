"""The published claims on mixtures, each by the truth, the indicator, the predicted leakage and a trained attacker."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from harness.types import Estimate

__all__ = ["BY", "CLAIMS", "HOLDS", "OPPOSITE", "UNRESOLVED", "claims"]

Row = dict[str, Any]
HOLDS, OPPOSITE, UNRESOLVED = "holds", "does not hold", "not resolved"
# Claim -> (the quantizer said to be safer, those that it is compared with; None stands for all others).
CLAIMS = {
    "90% sparse ternary is the most private": ("ternary-0.9", None),
    "Sign is less private than 33% ternary although it has fewer bits": ("ternary-0.33", ("sign",)),
}
LEVEL = 0.95
# Leakages below this are no different in practice, and their logarithms would decide.
LEAST_DELTA = 1e-4
INDICATOR, PREDICTED = "joint flips", "coordinates"


def _log_truth(row: Row) -> float:
    return math.nan if row["truth"] is None else -math.log(max(row["truth"]["value"], LEAST_DELTA))


def _log_predicted(row: Row) -> float:
    delta = row["printed"][PREDICTED]["delta"]
    return math.nan if delta is None else -math.log(max(delta[0], LEAST_DELTA))


def _nats(row: Row) -> float:
    r = row["printed"][INDICATOR]["r"]
    return math.nan if r is None else float(row["n"] * r)


def _attacked(row: Row) -> float:
    return -float(row["attacker"]["value"])


# Who judges -> safety by it: logarithms of leakages, so that differences are ratios; n r in nats; an attacker's
# advantage, which can be negative.
BY: dict[str, Callable[[Row], float]] = {
    "truth": _log_truth,
    "n r": _nats,
    "predicted Delta": _log_predicted,
    "trained attacker": _attacked,
}


def claims(rows: Sequence[Row]) -> list[Row]:
    """Each claim under each kind of law, number of modes and size: a verdict and the closest comparison behind it.

    A claim about several quantizers holds if the safer one is safer than each of the others, at a level corrected for
    their number, and does not hold if one of them is safer. Differences are means over laws with Student intervals.
    """
    table = []
    mixtures = [row for row in rows if row["kind"] != "regression" and row["correlation"] == 0.0]
    places = dict.fromkeys((row["kind"], row["modes"], row["n"]) for row in mixtures)
    for claim, (safer, others) in CLAIMS.items():
        for kind, modes, n in places:
            here = [row for row in mixtures if (row["kind"], row["modes"], row["n"]) == (kind, modes, n)]
            against = [q for q in dict.fromkeys(row["quantizer"] for row in here) if q != safer]
            against = [q for q in against if others is None or q in others]
            by = {name: _judged(here, safer, against, figure) for name, figure in BY.items()}
            table.append({"claim": claim, "kind": kind, "modes": modes, "n": n, "by": by})
    return table


def _judged(rows: Sequence[Row], safer: str, against: Sequence[str], figure: Callable[[Row], float]) -> Row | None:
    level = 1.0 - (1.0 - LEVEL) / len(against)
    gaps = {other: _gap(rows, safer, other, figure, level) for other in against}
    known = {other: one for other, one in gaps.items() if one.resolvable}
    if not known:
        return None
    closest = min(known, key=lambda other: known[other].value)
    if any(one.high < 0.0 for one in known.values()):
        verdict = OPPOSITE
    elif len(known) == len(against) and all(one.low > 0.0 for one in known.values()):
        verdict = HOLDS
    else:
        verdict = UNRESOLVED
    return {"verdict": verdict, "closest": closest, "gap": known[closest].to_json()}


def _gap(rows: Sequence[Row], safer: str, other: str, figure: Callable[[Row], float], level: float) -> Estimate:
    """Mean over laws of the safety of one quantizer less that of another."""
    of = {(row["law"], row["quantizer"]): figure(row) for row in rows}
    laws = dict.fromkeys(row["law"] for row in rows)
    gaps = np.array([of[law, safer] - of[law, other] for law in laws])
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < 2:
        return Estimate(math.nan, -math.inf, math.inf, len(gaps), "student", level=level, resolvable=False)
    reach = float(student.ppf(0.5 + level / 2, len(gaps) - 1)) * float(gaps.std(ddof=1)) / math.sqrt(len(gaps))
    return Estimate(
        float(gaps.mean()), float(gaps.mean()) - reach, float(gaps.mean()) + reach, len(gaps), "student", level=level
    )
