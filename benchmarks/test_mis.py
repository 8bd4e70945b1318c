"""How long and how much memory the indicator takes: 256 candidates, 100,000 records, 10 quantizers, 1,000 resamples.

Target: 60 s and 4 GB on two cores. Run with ``pytest benchmarks/test_mis.py -s``.
"""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest

from harness.mis import estimate

CANDIDATES, RECORDS, QUANTIZERS, DRAWS = 256, 100_000, 10, 1000
FACTORS = 16


def losses(gap: float) -> dict[str, np.ndarray]:
    """Losses that share what a record costs everybody, differ along a few directions, and lie ``gap`` apart."""
    rng = np.random.default_rng(0)
    shared, directions = rng.exponential(size=RECORDS), rng.standard_normal((FACTORS, RECORDS))
    out = {}
    for q in range(QUANTIZERS):
        matrix = 0.2 * rng.standard_normal((CANDIDATES, FACTORS)) @ directions
        matrix += shared
        matrix += gap * np.abs(rng.standard_normal(CANDIDATES))[:, None]
        out[f"q{q}"] = matrix
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("case", "gap"), [("spread", 0.1), ("all tied", 0.0)])
def test_ten_quantizers_of_256_candidates(case: str, gap: float) -> None:
    table = losses(gap)
    wall, cpu = time.perf_counter(), time.process_time()
    found = estimate(table, n=RECORDS, draws=DRAWS)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\n{case}: {wall:.1f} s ({cpu:.1f} s of processor), peak {peak:.2f} GB, of which the input is 2.05 GB")
    assert len(found) == QUANTIZERS
    assert all(q.k_eff == CANDIDATES for q in found)
