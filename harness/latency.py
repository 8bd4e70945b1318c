"""Latency: raw device-side samples -> percentiles with intervals, and a flag where the board throttled.

Latency never gates privacy; it is reported beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from harness.devices import BenchmarkResult
from harness.results import Latency
from harness.stats import Estimate

__all__ = ["percentile", "summarise"]

# The later half's median above the earlier half's by this much, or a temperature rise, counts as throttling.
SLOWDOWN = 1.25


def percentile(samples: NDArray[np.int64], q: float, *, level: float = 0.95) -> Estimate:
    """A percentile with its distribution-free interval from order statistics.

    Args:
        samples: `[n]`.
        q: in (0, 1).
        level: nominal coverage; where n is too small for it, the interval is open to the largest sample's side and
            marked as not resolvable.
    """
    ordered = np.sort(samples)
    n = len(ordered)
    tail = (1 - level) / 2
    low, high = int(binom.ppf(tail, n, q)) - 1, int(binom.ppf(1 - tail, n, q))
    value = float(np.quantile(ordered, q, method="inverted_cdf"))
    whole = low >= 0 and high < n
    return Estimate(
        value=value,
        low=float(ordered[max(low, 0)]),
        high=float(ordered[min(high, n - 1)]),
        n=n,
        method="order statistics",
        level=level,
        resolvable=whole,
        needed_n=None if whole else _needed(q, tail),
    )


def summarise(result: BenchmarkResult, *, level: float = 0.95, batch_size: int = 1, threads: int = 1) -> Latency:
    """Percentiles of a benchmark, and whether the board throttled."""
    samples = result.samples_ns
    half = len(samples) // 2
    slower = half >= 10 and float(np.median(samples[half:])) > SLOWDOWN * float(np.median(samples[:half]))
    before, after = result.telemetry_before.cpu_frequency_hz, result.telemetry_after.cpu_frequency_hz
    dropped = before is not None and after is not None and after * SLOWDOWN < before
    return Latency(
        p50_ns=percentile(samples, 0.5, level=level),
        p95_ns=percentile(samples, 0.95, level=level),
        runs=len(samples),
        throttled=slower or dropped,
        batch_size=batch_size,
        threads=threads,
    )


def _needed(q: float, tail: float) -> int:
    """Samples at which the order-statistic interval of the q-quantile lies inside the sample."""
    return int(np.ceil(np.log(tail) / np.log(max(q, 1 - q))))
