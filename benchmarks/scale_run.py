"""One evaluation of a given size in a process of its own, so that its peak memory is its own; prints one JSON line.

python -m benchmarks.scale_run --records 100000 --variants 10 --classes 100 --attack gbt --attack sr2-rf
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np

from harness import attacks
from harness.types import Observations

KIB = 1024


def observed(records: int, variants: int, classes: int, seed: int) -> Observations:
    """Answers of ``variants`` correlated versions of one model to ``records`` records, half of them members."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, records)
    membership = np.arange(records) % 2
    base = rng.normal(size=(records, classes)).astype(np.float32)
    base[np.arange(records), labels] += 2.0 + 0.5 * membership
    logits = {}
    for place in range(variants):
        name = "original" if place == 0 else f"variant-{place}"
        logits[name] = base + np.float32(0.3) * rng.standard_normal(base.shape, dtype=np.float32)
    return Observations(labels=labels, logits=logits, membership=membership, ids=np.arange(records) + seed * records)


def main() -> None:
    """Evaluate once and tell seconds, peak memory and the best AUC of each adversary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--variants", type=int, required=True)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--attack", action="append", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    target, shadow = (observed(given.records, given.variants, given.classes, seed) for seed in (0, 1))
    began, processor = time.perf_counter(), time.process_time()
    found = attacks.evaluate(target, [shadow], attacks=given.attack, n_jobs=given.jobs)
    best: dict[str, float] = {}
    for result in found.results:
        best[result.adversary] = max(best.get(result.adversary, 0.0), round(result.auc.value, 4))
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - began,
                "processor_seconds": time.process_time() - processor,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB,
                "results": len(found.results),
                "auc": best,
            }
        )
    )


if __name__ == "__main__":
    main()
