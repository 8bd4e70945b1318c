"""What the rounds of a benchmark say of each file, and of each file beside the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.devices import BenchmarkResult
from harness.latency._percentiles import percentile
from harness.latency._ratio import ratio
from harness.latency._throttling import throttling
from harness.results import Latency

__all__ = ["compared", "summarise"]

_EMULATED = "the device is emulated: its latencies say nothing of hardware"
_NO_ORIGINAL = "there is no original on this runtime"
_NO_ROUNDS = "a comparison needs two rounds or more, and a clock that sees a run"


def summarise(
    results: Sequence[BenchmarkResult],
    *,
    cold: BenchmarkResult | None = None,
    level: float = 0.95,
    batch_size: int = 1,
    threads: int = 1,
) -> Latency:
    """Percentiles of a file's rounds, whether the board throttled, and what a cold start cost.

    Args:
        results: one a round, in the order in which they were made.
        cold: the benchmark in a fresh process; None where there was none.
        level: nominal coverage of the intervals.
        batch_size: records a run.
        threads: of the interpreter.
    """
    samples = np.concatenate([result.samples_ns for result in results])
    rounds = np.repeat(np.arange(len(results)), [len(result.samples_ns) for result in results])
    p50, p90, p95, p99 = (
        percentile(samples, q, rounds=rounds if len(results) > 1 else None, level=level) for q in (0.5, 0.9, 0.95, 0.99)
    )
    signs = throttling(results)
    start = None if cold is None else cold.cold_start
    return Latency(
        p50_ns=p50,
        p90_ns=p90,
        p95_ns=p95,
        p99_ns=p99,
        runs=len(samples),
        rounds=len(results),
        throttled=bool(signs),
        throttled_because=signs,
        batch_size=batch_size,
        threads=threads,
        cold_load_ns=None if start is None else start.load_ns,
        first_inference_ns=None if start is None else start.first_inference_ns,
        # Of the fresh process: elsewhere the other files are in it, too.
        peak_bytes=None if cold is None else cold.telemetry_after.worker_peak_bytes,
        added_bytes=None if cold is None else _added_bytes(cold),
    )


def compared(
    latencies: Mapping[str, Latency],
    results: Mapping[str, Sequence[BenchmarkResult]],
    *,
    original: str,
    emulated: bool,
    level: float = 0.95,
) -> dict[str, Latency]:
    """The latencies of one runtime's files with each one's ratio to the original, or why there is none.

    Args:
        latencies: variant -> its latency.
        results: variant -> its rounds; all files had their turn in each.
        original: the variant that the others are compared with; it is compared with nothing.
        emulated: the device's latencies mean nothing.
        level: nominal coverage of the intervals.
    """
    return {
        variant: latency
        if variant == original and not emulated
        else _compared(latency, results[variant], results.get(original), emulated=emulated, level=level)
        for variant, latency in latencies.items()
    }


def _added_bytes(cold: BenchmarkResult) -> int | None:
    before, peak = cold.telemetry_before.worker_resident_bytes, cold.telemetry_after.worker_peak_bytes
    return None if before is None or peak is None else max(0, peak - before)


def _compared(
    latency: Latency,
    rounds: Sequence[BenchmarkResult],
    original: Sequence[BenchmarkResult] | None,
    *,
    emulated: bool,
    level: float,
) -> Latency:
    if emulated:
        return replace(latency, not_compared=_EMULATED)
    if original is None:
        return replace(latency, not_compared=_NO_ORIGINAL)
    estimate = ratio([r.samples_ns for r in rounds], [r.samples_ns for r in original], level=level)
    return replace(latency, ratio=estimate, not_compared="" if estimate else _NO_ROUNDS)
