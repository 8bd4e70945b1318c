"""Latency: order-statistic intervals cover, throttling is flagged, too few samples are not resolvable."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.devices import BenchmarkResult, Telemetry
from harness.latency import percentile, summarise
from harness.types import IntArray


def result(samples: IntArray, before_hz: int | None = None, after_hz: int | None = None) -> BenchmarkResult:
    blank: dict[str, Any] = {"time_unix_ns": 0, "temperature_celsius": None, "cpu_governor": None}
    blank |= {"memory_available_bytes": None, "worker_resident_bytes": None}
    return BenchmarkResult(
        samples_ns=samples.astype(np.int64),
        telemetry_before=Telemetry(cpu_frequency_hz=before_hz, **blank),
        telemetry_after=Telemetry(cpu_frequency_hz=after_hz, **blank),
    )


def test_percentile_is_an_observed_sample_inside_its_interval() -> None:
    samples = np.random.default_rng(1).integers(1000, 9000, 200)
    for q in (0.5, 0.95):
        estimate = percentile(samples, q)
        assert estimate.value in samples
        assert estimate.resolvable
        assert estimate.low <= estimate.value <= estimate.high


def test_interval_covers_the_true_quantile() -> None:
    rng = np.random.default_rng(2)
    draws = (rng.exponential(1000, 200).astype(np.int64) for _ in range(400))
    truth = 1000 * np.log(2)
    covered = sum(estimate.low <= truth <= estimate.high for estimate in (percentile(d, 0.5) for d in draws))
    assert 0.92 <= covered / 400 <= 0.99  # nominal 95%, conservative because samples are discrete


def test_few_samples_do_not_resolve_a_high_percentile() -> None:
    estimate = percentile(np.arange(20), 0.95)
    assert not estimate.resolvable
    assert estimate.needed_n == 72  # 0.95 ** 72 < 0.025 <= 0.95 ** 71


def test_throttling_is_flagged() -> None:
    steady = np.full(100, 1000)
    assert not summarise(result(steady)).throttled
    assert summarise(result(np.concatenate([steady, steady * 2]))).throttled
    assert summarise(result(steady, before_hz=2_000_000_000, after_hz=1_200_000_000)).throttled
