"""Every generator beside the truth: its order, its size, and how often an attacker contradicts its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import betaincinv

from harness.types import Estimate
from studies._shared.weight_bits import coded_bits, stored_bits
from studies.mis_synthetic.agreement import LEVEL, Ranked, gap, kendall
from studies.mis_synthetic.predictions import GENERATORS

__all__ = ["ALL", "ATTACKER", "BITS", "ENTROPY", "R", "judged", "safety_of"]

Row = dict[str, Any]
# The group of everything that was rounded after training.
ALL = "all rounded"
BITS, ENTROPY, ATTACKER = "bits per weight", "entropy-coded bits", "trained attacker"
# Each generator is compared with the same baseline.
CORRECTED = 1.0 - (1.0 - LEVEL) / len(GENERATORS)
# The indicator r of the candidates of two generators.
R = {"r, bootstrap": "bootstrap", "r, joint flips": "joint flips"}


def judged(rows: Sequence[Row]) -> list[Row]:
    """Each figure under each group of laws: ``tau`` with the truth, ``beyond`` bits per weight, and its size.

    Args:
        rows: quantizers under laws and sizes, with ``truth``, ``attacker`` and what is ``printed``.

    Returns:
        One row a figure and group. Where nobody knows the truth the trained attacker's advantage stands for it.
    """
    table = []
    for name, group in _groups(rows).items():
        references = {bits: _ranked(group, bits) for bits in (BITS, ENTROPY)}
        for figure in (*GENERATORS, *R, ATTACKER, BITS, ENTROPY):
            ranked = _ranked(group, figure)
            if figure == ATTACKER and any(row["truth"] is None for row in group):
                continue
            row: Row = {"laws": name, "figure": figure, "tau": kendall(ranked).to_json()}
            row |= {
                f"beyond {bits}": gap(ranked, other, level=CORRECTED).to_json()
                for bits, other in references.items()
                if bits != figure
            }
            if figure in GENERATORS:
                row |= _size(group, figure)
            table.append(row)
    return table


def safety_of(row: Row, figure: str) -> float:
    """A quantizer's safety by a figure, larger is safer; NaN where it says nothing."""
    if figure in (BITS, ENTROPY):
        return -(stored_bits if figure == BITS else coded_bits)(row["quantizer"])
    if figure == ATTACKER:
        return -float(row["attacker"]["value"])
    if figure in R:
        r = row["printed"][R[figure]]["r"]
        return math.nan if r is None else float(r)
    delta = row["printed"][figure]["delta"]
    return math.nan if delta is None else -float(delta[0])


def _groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by kind of law, learner and correlation, by kind alone, and all of what users ship: rounded weights."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        kind = (row["kind"],) if row["kind"] == "mixture" else (row["kind"], f"{row['correlation']:g}")
        groups.setdefault(", ".join((row["learner"], *kind)), []).append(row)
    for row in rows:
        if row["learner"] == "rounded":
            groups.setdefault(ALL, []).append(row)
            if row["kind"] != "mixture":
                groups.setdefault(f"rounded, {row['kind']}", []).append(row)
    return groups


def _ranked(rows: Sequence[Row], figure: str) -> list[Ranked]:
    return [
        Ranked(
            row["law"],
            _cluster(row),
            row["n"],
            safety_of(row, figure),
            *((row["truth"] or row["attacker"])[end] for end in ("low", "high")),
        )
        for row in rows
    ]


def _cluster(row: Row) -> str:
    """Laws that share a seed."""
    return f"{row['kind']}-{row['law'].rpartition('-')[2]}"


def _size(rows: Sequence[Row], generator: str) -> Row:
    """Predicted over true leakage where the answer claims to be resolved, and who contradicts the interval."""
    resolved = [row for row in rows if row["printed"][generator]["status"] == "ok"]
    known = [row for row in resolved if row["truth"] is not None and row["truth"]["low"] > 0.0]
    ratios = [row["printed"][generator]["delta"][0] / row["truth"]["value"] for row in known]
    quantiles = [float(q) for q in np.quantile(ratios, [0.5, 0.1, 0.9])] if ratios else None
    return {
        "ratio": quantiles,
        "ratio_n": len(ratios),
        "ratio_ci": _median_ci(known, ratios),
        "resolved": _share(rows, lambda row: row["printed"][generator]["status"] == "ok"),
        "contradicted": _share(resolved, lambda row: row["attacker"]["low"] > _high(row, generator)),
        "below_truth": _share(known, lambda row: row["truth"]["low"] > _high(row, generator)),
    }


def _high(row: Row, generator: str) -> float:
    """Upper end of what is printed; the figure itself where it has no interval."""
    value, _, high = row["printed"][generator]["delta"]
    return float(value if high is None else high)


def _median_ci(rows: Sequence[Row], ratios: Sequence[float]) -> list[float] | None:
    """Interval of the median ratio, from resampling laws."""
    of: dict[str, list[float]] = {}
    for row, ratio in zip(rows, ratios, strict=True):
        of.setdefault(_cluster(row), []).append(ratio)
    if len(of) < 2:
        return None
    clusters = list(of.values())
    rng = np.random.default_rng(0)
    drawn = [
        np.median(np.concatenate([clusters[i] for i in rng.integers(0, len(clusters), len(clusters))]))
        for _ in range(400)
    ]
    return [float(q) for q in np.quantile(drawn, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])]


def _share(rows: Sequence[Row], holds: Callable[[Row], bool]) -> Mapping[str, Any] | None:
    """How many rows a thing holds of, with an interval as of so many independent cases as there are laws."""
    if not rows:
        return None
    count, laws = sum(holds(row) for row in rows), len({row["law"] for row in rows})
    share = count / len(rows)
    tail, hits = 0.5 - LEVEL / 2, share * laws
    low = float(betaincinv(hits, laws - hits + 1.0, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1.0, laws - hits, 1.0 - tail)) if hits < laws else 1.0
    return Estimate(share, low, high, len(rows), "clopper-pearson of laws", level=LEVEL).to_json()
