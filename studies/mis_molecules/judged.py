"""Every generator held against the trained attacker: its order, its size, and how often the attacker refutes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from harness.types import Estimate
from studies.mis_molecules.agreement import over_tasks
from studies.mis_molecules.case import BASELINES, ORDERS
from studies.mis_molecules.predictions import GENERATORS

__all__ = ["judged", "taus_by_representation"]

Row = dict[str, Any]
TAU = (-1.0, 1.0)


def judged(cases: Sequence[Row], *, level: float) -> list[Row]:
    """One row an order, in the order of :data:`~studies.mis_molecules.case.ORDERS`.

    The unit of every interval is the task: representations of one task share molecules and are averaged first. The
    differences to the baselines have intervals corrected for the number of orders that are held against them.

    Args:
        cases: one a task and representation.
        level: of the intervals.
    """
    wide = 1.0 - (1.0 - level) / (len(ORDERS) - len(BASELINES))
    return [_judged(cases, order, level, wide) for order in ORDERS]


def taus_by_representation(cases: Sequence[Row], *, level: float) -> dict[str, dict[str, Row]]:
    """Representation -> order -> mean tau over tasks."""
    kinds = dict.fromkeys(case["representation"] for case in cases)
    return {
        kind: {
            order: over_tasks(
                _by_task([case for case in cases if case["representation"] == kind], _tau_of(order)),
                level=level,
                within=TAU,
            ).to_json()
            for order in ORDERS
        }
        for kind in kinds
    }


def _judged(cases: Sequence[Row], order: str, level: float, wide: float) -> Row:
    row: Row = {
        "order": order,
        "cases": len(cases),
        "tau": over_tasks(_by_task(cases, _tau_of(order)), level=level, within=TAU).to_json(),
        "against": {},
    }
    if order not in BASELINES:
        for baseline in BASELINES:
            gap = over_tasks(_by_task(cases, _gap_of(order, baseline)), level=wide, within=(-2.0, 2.0))
            row["against"][baseline] = {"difference": gap.to_json(), "verdict": _verdict(gap)}
    if order in GENERATORS:
        row["codes"] = _sizes(cases, order, level, are_finite=True)
        row["floats"] = _sizes(cases, order, level, are_finite=False)
    return row


def _gap_of(order: str, baseline: str) -> Callable[[Row], float]:
    own, theirs = _tau_of(order), _tau_of(baseline)
    return lambda case: own(case) - theirs(case)


def _verdict(gap: Estimate) -> str:
    if gap.resolvable and gap.low > 0:
        return "better"
    return "worse" if gap.resolvable and gap.high < 0 else "not resolved"


def _sizes(cases: Sequence[Row], generator: str, level: float, *, are_finite: bool) -> Row:
    """Predicted over measured, and how often the attacker's interval lies above the prediction's."""
    rows = [list(_compared(case, generator, are_finite=are_finite)) for case in cases]
    flat = [row for some in rows for row in some]
    logs = {id(case): [row["log"] for row in some] for case, some in zip(cases, rows, strict=True)}
    ratio = over_tasks(_by_task(cases, lambda case: _median(logs[id(case)])), level=level)
    return {
        "count": len(flat),
        "unprobed": sum(not row["is_probed"] for row in flat),
        "contradicted": sum(row["is_contradicted"] for row in flat),
        # Geometric: a half and a double balance.
        "ratio": None
        if not ratio.resolvable
        else [math.exp(value) for value in (ratio.value, ratio.low, min(ratio.high, 700.0))],
    }


def _compared(case: Row, generator: str, *, are_finite: bool) -> Iterator[Row]:
    for row in case["rows"]:
        if row["is_finite"] != are_finite or generator not in row["predicted"]:
            continue
        delta, measured = row["predicted"][generator]["delta"], row["attack"]["trained"]
        is_probed = delta["resolvable"]
        value = float(delta["value"]) if is_probed else math.nan
        known = value > 0 and measured["value"] > 0
        yield {
            "is_probed": is_probed,
            "is_contradicted": is_probed and measured["low"] > delta["high"],
            "log": math.log(value / measured["value"]) if known else math.nan,
        }


def _by_task(cases: Sequence[Row], value: Callable[[Row], float]) -> list[float]:
    """Mean over the representations of each task, without those that have none."""
    tasks: dict[str, list[float]] = {}
    for case in cases:
        tasks.setdefault(case["task"], []).append(value(case))
    return [float(np.mean(some)) if (some := [v for v in each if math.isfinite(v)]) else math.nan
            for each in tasks.values()]  # fmt: skip


def _tau_of(order: str) -> Callable[[Row], float]:
    return lambda case: float(case["taus"][order]["value"])


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else math.nan
