"""Planning a release: all sets of variants by the planner, beside a loop that evaluates each set as an audit would.

Run with ``pytest benchmarks/test_planner.py -s``. Both see the same answers of a target and its shadows; the loop calls
`harness.attacks.evaluate` on the variants of each set with the joint attacks that are registered, and takes the
largest AUC of the set and its subsets. The loop is timed on a sample of the sets, and its seconds are those of all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks._timing import table
from harness import attacks
from harness.compare.planner import Asked, plan_sets
from harness.compare.planner_result import File
from harness.config import GateRule
from harness.types import Observations
from tests.compare.planner_world import world

VARIANTS, N = 10, 4000
# Sets of two, five and nine variants, so many of each.
SAMPLED = {2: 2, 5: 3, 9: 1}
JOINT = ("rmia", "lira-joint", "mr-gbt")


def naive_seconds(target: Observations, shadows: Sequence[Observations], names: Sequence[str]) -> float:
    """Seconds of the processor that a loop over all sets takes, by a sample of them."""
    total = 0.0
    for size, count in SAMPLED.items():
        sets = list(combinations(names, size))
        drawn = np.random.default_rng(size).choice(len(sets), count, replace=False)
        start = time.process_time()
        for place in drawn:
            attacks.evaluate(target, shadows, attacks=JOINT, variants=sets[place], fprs=(0.01,))
        total += (time.process_time() - start) / count
    return total / len(SAMPLED) * len(range(1, 1 << len(names)))


def test_all_sets_cost_less_than_the_loop_over_them() -> None:
    """The planner takes a small part of the loop's time; at this size a minute or less on two idle cores."""
    target, shadows, names = world(np.linspace(0.1, 0.5, VARIANTS).tolist(), n=N, shadows=3)
    files = [File(name, "litert", 1000, 1e6, 0.9) for name in names]
    asked = Asked(rules=(GateRule(max=0.68),), policy="benchmark")
    with threadpool_limits(1):
        start = time.process_time()
        plan = plan_sets(target, shadows, files, asked, names=names, fprs=(0.01,))
        planner = time.process_time() - start
        naive = naive_seconds(target, shadows, names)
    ratios = table(
        f"{len(plan.sets)} sets of {VARIANTS} variants, {N} members and {N} non-members, 3 shadows",
        {"planner, all sets": planner, "evaluate in a loop": naive},
    )
    assert len(plan.sets) == 1023
    assert ratios["evaluate in a loop"] > 10
