"""Rounds taken in turn, their medians, the memory they held, and the table that a benchmark prints.

Seconds are of the processor, one thread to each side: on a machine that others use too, the wall clock times them.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

__all__ = ["Timed", "medians", "peak_mib", "table"]

ROUNDS = 3
MIB = 2**20


@dataclass(frozen=True)
class Timed:
    """What another process answered, and the processor seconds that it took there, the way not included."""

    seconds: float
    values: Mapping[str, np.ndarray]


def medians(functions: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each function, called in turn: a change of clock or of cache pressure meets them all."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    with threadpool_limits(1):
        for _ in range(rounds):
            for name, function in functions.items():
                start = time.process_time()
                result = function()
                elapsed = time.process_time() - start
                times[name].append(result.seconds if isinstance(result, Timed) else elapsed)
    return {name: float(np.median(t)) for name, t in times.items()}


def peak_mib(function: Callable[[], object]) -> float:
    """Largest memory that numpy and Python held beyond what they had."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / MIB


def table(title: str, seconds: Mapping[str, float], notes: Mapping[str, str] | None = None) -> dict[str, float]:
    """Print one row for each function; gives back how many times the first one's seconds each took."""
    first = next(iter(seconds.values()))
    ratios = {name: value / first for name, value in seconds.items()}
    width = max(map(len, seconds))
    print(f"\n{title}")
    for name, value in seconds.items():
        times = f"{ratios[name]:.{0 if ratios[name] >= 10 else 1 if ratios[name] >= 1 else 2}f}x"
        print(f"  {name:{width}}{1e3 * value:10.2f} ms {times:>7}  {(notes or {}).get(name, '')}".rstrip())
    return ratios
