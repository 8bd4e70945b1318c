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


def losses(
    gap: float, *, quantizers: int = QUANTIZERS, candidates: int = CANDIDATES, records: int = RECORDS
) -> dict[str, np.ndarray]:
    """Losses that share what a record costs everybody, differ along a few directions, and lie ``gap`` apart."""
    rng = np.random.default_rng(0)
    shared, directions = rng.exponential(size=records), rng.standard_normal((FACTORS, records))
    out = {}
    for q in range(quantizers):
        matrix = 0.2 * rng.standard_normal((candidates, FACTORS)) @ directions
        matrix += shared
        matrix += gap * np.abs(rng.standard_normal(candidates))[:, None]
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


@pytest.mark.slow
def test_cost_is_linear_in_candidates_times_records() -> None:
    """Two quantizers; candidates and records each doubled twice. Processor time, the median of three, sizes in turn."""
    sizes = [(64, 50_000), (128, 50_000), (256, 50_000), (64, 100_000), (64, 200_000), (256, 200_000)]
    tables = {size: losses(0.1, quantizers=2, candidates=size[0], records=size[1]) for size in sizes}
    spent: dict[tuple[int, int], list[float]] = {size: [] for size in sizes}
    for _ in range(3):
        for size, table in tables.items():
            began = time.process_time()
            estimate(table, n=size[1], draws=DRAWS)
            spent[size].append(time.process_time() - began)
    each = {size: float(np.median(times)) / (size[0] * size[1]) for size, times in spent.items()}
    for (candidates, records), cost in each.items():
        seconds = cost * candidates * records
        print(f"\nK = {candidates}, N = {records:,}: {seconds:.2f} s of processor, {cost * 1e9:.0f} ns an entry")
    # Over a 16-fold table a quadratic cost would be 16 times dearer an entry; caches and neighbours make less than 2.
    assert max(each.values()) < 2 * each[64, 50_000]
