"""Signs that a board slowed down while a file was timed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.devices import BenchmarkResult

__all__ = ["throttling"]

# The later half's median above the earlier half's by this much counts as throttling, and so does a clock that falls by
# as much.
_SLOWDOWN = 1.25
# A load of a few seconds warms a phone by less than this; boards that throttle rise by tens of degrees.
_RISE_CELSIUS = 10.0
# Fewer samples a half say nothing of it.
_HALF_MIN = 10


def throttling(results: Sequence[BenchmarkResult]) -> tuple[str, ...]:
    """Why the board is taken to have throttled, one phrase a sign; empty where nothing points to it.

    Args:
        results: of one file, in the order in which they were made.
    """
    signs = (_slower(results), _clock_fell(results), _warmer(results))
    return tuple(sign for sign in signs if sign)


def _slower(results: Sequence[BenchmarkResult]) -> str:
    # Whole rounds where there are several; the halves of a single one otherwise.
    samples = [result.samples_ns for result in results]
    if len(samples) == 1:
        (whole,) = samples
        samples = [whole[: len(whole) // 2], whole[len(whole) // 2 :]]
    half = len(samples) // 2
    earlier, later = np.concatenate(samples[:half]), np.concatenate(samples[-half:])
    if min(len(earlier), len(later)) < _HALF_MIN:
        return ""
    before, after = float(np.median(earlier)), float(np.median(later))
    if not 0 < before * _SLOWDOWN < after:
        return ""
    return f"later runs took {after / before:.2f} times as long as earlier ones"


def _clock_fell(results: Sequence[BenchmarkResult]) -> str:
    before, after = _halves([state.cpu_frequency_hz for result in results for state in result.telemetry])
    if not before > after * _SLOWDOWN:
        return ""
    return f"the processor's clock fell from {before / 1e9:.2f} to {after / 1e9:.2f} GHz"


def _warmer(results: Sequence[BenchmarkResult]) -> str:
    before, after = _halves([state.temperature_celsius for result in results for state in result.telemetry])
    if not after - before >= _RISE_CELSIUS:
        return ""
    return f"the board's temperature rose from {before:.0f} to {after:.0f} °C"


def _halves(readings: Sequence[float | None]) -> tuple[float, float]:
    """Medians of the earlier and the later half; NaN, which exceeds nothing, where the board does not report."""
    known = [reading for reading in readings if reading is not None and math.isfinite(reading)]
    half = len(known) // 2
    if not half:
        return math.nan, math.nan
    return float(np.median(known[:half])), float(np.median(known[-half:]))
