"""Latency: intervals cover, also where rounds differ; ratios are paired; throttling is flagged with its reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.audit.stages.bench import turns
from harness.devices import BenchmarkResult, ColdStart, Telemetry
from harness.latency import compared, percentile, ratio, summarise, throttling
from harness.types import IntArray

GHZ = 1_000_000_000


def result(
    samples: IntArray,
    before_hz: int | None = None,
    after_hz: int | None = None,
    *,
    celsius: tuple[float | None, float | None] = (None, None),
    cold: ColdStart | None = None,
    peak_bytes: int | None = None,
    resident_bytes: int | None = None,
) -> BenchmarkResult:
    return BenchmarkResult(
        samples_ns=samples.astype(np.int64),
        telemetry_before=Telemetry(
            0, cpu_frequency_hz=before_hz, temperature_celsius=celsius[0], worker_resident_bytes=resident_bytes
        ),
        telemetry_after=Telemetry(
            0, cpu_frequency_hz=after_hz, temperature_celsius=celsius[1], worker_peak_bytes=peak_bytes
        ),
        cold_start=cold,
    )


def rounds_of(rng: np.random.Generator, count: int, size: int, *, between: float, within: float) -> list[IntArray]:
    """Log-normal runs whose rounds differ by a factor of their own; their common median is 10,000 ns."""
    factors = rng.normal(0, between, count)
    return [np.exp(np.log(10_000) + f + rng.normal(0, within, size)).astype(np.int64) for f in factors]


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


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_interval_covers_where_rounds_differ_and_the_plain_one_does_not(q: float) -> None:
    rng = np.random.default_rng(3)
    # A run varies by both: the percentile of all runs of all rounds that could have been.
    truth = np.quantile(np.concatenate(rounds_of(rng, 20_000, 20, between=0.1, within=0.05)), q)
    covered = {True: 0, False: 0}
    for _ in range(400):
        drawn = rounds_of(rng, 8, 100, between=0.1, within=0.05)
        samples, rounds = np.concatenate(drawn), np.repeat(np.arange(8), 100)
        for whole in covered:
            estimate = percentile(samples, q, rounds=rounds if whole else None)
            covered[whole] += bool(estimate.low <= truth <= estimate.high or (whole and not estimate.resolvable))
    assert covered[False] / 400 < 0.5
    assert covered[True] / 400 >= 0.9


@given(st.integers(0, 2**32), st.floats(0, 0.5))
def test_the_interval_of_rounds_is_never_shorter_than_that_of_independent_runs(seed: int, between: float) -> None:
    drawn = rounds_of(np.random.default_rng(seed), 5, 40, between=between, within=0.05)
    samples, rounds = np.concatenate(drawn), np.repeat(np.arange(5), 40)
    for q in (0.5, 0.9, 0.99):
        plain, whole = percentile(samples, q), percentile(samples, q, rounds=rounds)
        assert whole.value == plain.value
        assert whole.low <= plain.low
        assert whole.high >= plain.high
        assert plain.resolvable or not whole.resolvable


def test_rounds_that_do_not_differ_leave_the_interval_as_it_is() -> None:
    samples = np.tile(np.arange(1, 101), 6)
    rounds = np.repeat(np.arange(6), 100)
    plain, whole = percentile(samples, 0.5), percentile(samples, 0.5, rounds=rounds)
    assert (whole.low, whole.high) == (plain.low, plain.high)


def test_a_clock_of_coarse_steps_makes_no_difference_between_rounds() -> None:
    samples, rounds = np.full(400, 1000), np.repeat(np.arange(4), 100)
    estimate = percentile(samples, 0.9, rounds=rounds)
    assert (estimate.low, estimate.value, estimate.high) == (1000, 1000, 1000)
    assert estimate.resolvable


def test_few_samples_do_not_resolve_a_high_percentile() -> None:
    estimate = percentile(np.arange(20), 0.95)
    assert not estimate.resolvable
    assert estimate.needed_n == 72  # 0.95 ** 72 < 0.025 <= 0.95 ** 71


def test_a_ratio_is_paired_by_round() -> None:
    """What slows a whole round slows both files, and is no difference between them."""
    rng = np.random.default_rng(4)
    original = [1000 * factor * np.ones(50) for factor in (1.0, 3.0, 1.1, 2.0, 1.3)]
    half = [0.5 * samples * rng.uniform(0.99, 1.01, 50) for samples in original]
    estimate = ratio([h.astype(np.int64) for h in half], [o.astype(np.int64) for o in original])
    assert estimate is not None
    assert estimate.n == 5
    assert 0.49 < estimate.low < 0.5 < estimate.high < 0.51


def test_the_ratio_covers_its_truth() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        one, other = (rounds_of(rng, 6, 60, between=0.05, within=0.03) for _ in range(2))
        estimate = ratio([samples * 4 // 5 for samples in one], other)
        assert estimate is not None
        covered += estimate.holds(0.8)
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("samples", [[np.full(9, 5)], [np.full(9, 0), np.full(9, 5)]])
def test_one_round_or_a_clock_that_stands_still_gives_no_ratio(samples: list[IntArray]) -> None:
    assert ratio(samples, samples) is None


def test_each_variant_is_compared_with_the_original() -> None:
    rounds = {
        "original": [result(np.full(20, 1000 + n)) for n in range(4)],
        "int8": [result(np.full(20, 500 + n)) for n in range(4)],
    }
    latencies = {variant: summarise(results) for variant, results in rounds.items()}
    beside = compared(latencies, rounds, original="original", emulated=False)
    assert (beside["original"].ratio, beside["original"].not_compared) == (None, "")
    assert beside["int8"].ratio is not None
    assert beside["int8"].ratio.value == pytest.approx(0.5, abs=0.002)
    assert beside["int8"].not_compared == ""


def test_an_emulated_devices_latencies_are_never_compared() -> None:
    rounds = {variant: [result(np.full(20, 1000))] * 4 for variant in ("original", "int8")}
    latencies = {variant: summarise(results) for variant, results in rounds.items()}
    for latency in compared(latencies, rounds, original="original", emulated=True).values():
        assert latency.ratio is None
        assert "emulated" in latency.not_compared


@pytest.mark.parametrize(
    ("original", "rounds", "reason"), [("fp32", 4, "no original"), ("original", 1, "two rounds or more")]
)
def test_what_cannot_be_compared_says_why(original: str, rounds: int, reason: str) -> None:
    timed = {variant: [result(np.full(20, 1000))] * rounds for variant in ("original", "int8")}
    latencies = {variant: summarise(results) for variant, results in timed.items()}
    beside = compared(latencies, timed, original=original, emulated=False)
    assert reason in beside["int8"].not_compared


def test_a_cold_start_is_reported_with_the_fresh_processs_peak() -> None:
    cold = result(np.full(1, 9), cold=ColdStart(500, 70), peak_bytes=10_000, resident_bytes=8_000)
    latency = summarise([result(np.full(30, 5), peak_bytes=99_999)], cold=cold)
    assert (latency.cold_load_ns, latency.first_inference_ns, latency.peak_bytes) == (500, 70, 10_000)
    assert latency.added_bytes == 2_000
    without = summarise([result(np.full(30, 5))])
    assert (without.cold_load_ns, without.first_inference_ns, without.peak_bytes) == (None, None, None)


def test_throttling_is_flagged() -> None:
    steady = np.full(100, 1000)
    assert not summarise([result(steady)]).throttled
    assert summarise([result(np.concatenate([steady, steady * 2]))]).throttled
    assert summarise([result(steady, before_hz=2 * GHZ, after_hz=12 * GHZ // 10)]).throttled


@pytest.mark.parametrize(
    ("results", "reasons"),
    [
        ([result(np.full(50, 1000))] * 4, ()),
        (
            [result(np.full(50, ns)) for ns in (1000, 1000, 1500, 1500)],
            ("later runs took 1.50 times as long as earlier ones",),
        ),
        # One slow round among many is a neighbour, not heat.
        ([result(np.full(50, ns)) for ns in (1000, 1000, 1000, 5000, 1000, 1000)], ()),
        (
            [result(np.full(50, 1000), hz, hz) for hz in (2 * GHZ, 2 * GHZ, GHZ, GHZ)],
            ("the processor's clock fell from 2.00 to 1.00 GHz",),
        ),
        (
            [result(np.full(50, 1000), celsius=(c, c + 1)) for c in (40.0, 41.0, 55.0, 60.0)],
            ("the board's temperature rose from 41 to 58 °C",),
        ),
        ([result(np.full(50, 1000), celsius=(40.0, 45.0))] * 3, ()),
        # A board that never reports, and one that reports once.
        ([result(np.full(50, 1000), None, GHZ)], ()),
    ],
)
def test_throttling_says_why(results: Sequence[BenchmarkResult], reasons: tuple[str, ...]) -> None:
    assert throttling(results) == reasons


@given(count=st.integers(1, 20), rounds=st.integers(1, 40), seed=st.integers(0, 99))
def test_every_file_has_its_turn_once_in_each_round(count: int, rounds: int, seed: int) -> None:
    order = turns(count, rounds, seed=seed)
    assert len(order) == rounds
    assert all(sorted(turn) == list(range(count)) for turn in order)
    assert order == turns(count, rounds, seed=seed)
    # The first place is shared as evenly as it can be.
    firsts = [turn[0] for turn in order]
    most, least = (pick(firsts.count(place) for place in range(count)) for pick in (max, min))
    assert most - least <= 1
