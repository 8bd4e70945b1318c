"""How often the interval of the predicted leakage holds the true one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.mis import leakage
from harness.stats import clopper_pearson
from harness.types import Estimate, FloatArray
from studies.kit.markdown import interval, number, table
from studies.mis_coverage.laws import Law, true_log_delta

__all__ = ["RATIOS", "row_of", "share", "table_of"]

Row = dict[str, Any]
# Sizes of the training set over the evaluation records.
RATIOS = (0.25, 1.0, 4.0, 20.0)
POINTS = 1000


def row_of(law: Law, *, audits: int, seed: int = 0, progress: Callable[[str, int, int], object]) -> Row:
    """Simulated audits of one law, each with fresh records that are read against every n.

    Returns:
        For every n/N the true ``log Delta_n``, coverage, misses by side, the share of audits that resolve it, and among
        these the median of predicted over true. A miss is unsafe where the whole interval lies below the truth.
    """
    sizes = tuple(round(ratio * POINTS) for ratio in RATIOS)
    truths = true_log_delta(law, sizes)
    found = np.empty((len(sizes), audits, 4))
    for audit in range(audits):
        progress(law.name, audit, audits)
        losses = law.losses(np.random.default_rng([seed, audit]), POINTS)
        for row, n in enumerate(sizes):
            one = leakage(losses, n=n, seed=audit)
            found[row, audit] = (*one.logs, one.status == "ok")
    return {
        "law": law.name,
        "audits": audits,
        "sizes": [_size(n, truth, *rows.T) for n, truth, rows in zip(sizes, truths, found, strict=True)],
    }


def _size(n: int, truth: float, value: FloatArray, low: FloatArray, high: FloatArray, resolved: FloatArray) -> Row:
    unsafe, safe, resolves = high < truth, low > truth, resolved > 0.0
    return {
        "n": n,
        "truth": truth,
        "coverage": share(len(value) - int((unsafe | safe).sum()), len(value)).to_json(),
        "unsafe": int(unsafe.sum()),
        "safe": int(safe.sum()),
        "resolved": float(resolves.mean()),
        "predicted": math.exp(float(np.median(value[resolves] - truth))) if resolves.any() else None,
        "width": float(np.median(high - low)),
    }


def share(hits: int, trials: int) -> Estimate:
    """A share with its exact interval."""
    return Estimate(hits / trials, *clopper_pearson(hits, trials), trials, "clopper-pearson")


def table_of(rows: Sequence[Row]) -> str:
    """The coverage of the leakage as a Markdown table."""
    return table(
        (
            "law of the losses",
            "n / N",
            "true leakage",
            "coverage",
            "truth above the interval (unsafe)",
            "truth below it (safe)",
            "resolved",
            "predicted / true, where resolved",
        ),
        (
            (
                row["law"],
                number(size["n"] / POINTS),
                number(math.exp(size["truth"])),
                interval(Estimate.from_json(size["coverage"])),
                size["unsafe"],
                size["safe"],
                f"{size['resolved']:.1%}",
                number(size["predicted"]),
            )
            for row in rows
            for size in row["sizes"]
        ),
    )
