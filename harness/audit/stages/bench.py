"""Stage `bench`: device-side latency of every file of the target, in rounds in which each has its turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from harness import subject
from harness.audit.context import Context
from harness.config import AuditConfig, BenchConfig
from harness.devices import BenchmarkResult, Device, Telemetry
from harness.latency import compared, summarise
from harness.results import ArtifactResult, Latency
from harness.store import Run
from harness.subject import ORIGINAL, TARGET
from harness.types import Artifact

__all__ = ["bench", "turns"]


@dataclass
class Timed:
    """What came out of one file so far.

    Args:
        artifact: the file.
        rounds: one benchmark a round.
        cold: in a fresh process; None where there was none.
    """

    artifact: Artifact
    rounds: list[BenchmarkResult] = field(default_factory=list)
    cold: BenchmarkResult | None = None


def bench(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Time each file on the device, under one lease: cold starts, then rounds over all files.

    Returns:
        One row a file: percentiles with intervals, ratio to the original, telemetry, and the raw samples of each round
        in nanoseconds.
    """
    if config.kind == "trained":
        run.require("export")
    timed = [Timed(a) for a in subject.load(config, run).artifacts(run) if a.model == TARGET]
    with context.device.lease():
        for one in timed:
            context.device.deploy(one.artifact)
        _time_all(timed, config, context)
    emulated = context.device.info().emulated
    return {"artifacts": [_row(one, latency) for one, latency in _latencies(timed, config, emulated=emulated)]}


def turns(count: int, rounds: int, *, seed: int) -> list[list[int]]:
    """Who has its turn when: one order a round.

    A random order is drawn once and rotated from round to round, so that each file is first, last and in between about
    equally often, and has the same one before it.

    Args:
        count: number of files.
        rounds: number of rounds.
        seed: of the order.
    """
    order = np.random.default_rng(seed).permutation(count).tolist()
    starts = [number * count // rounds if rounds < count else number % count for number in range(rounds)]
    return [order[start:] + order[:start] for start in starts]


def _time_all(timed: Sequence[Timed], config: AuditConfig, context: Context) -> None:
    settings = config.bench
    rounds = min(settings.rounds, settings.runs)
    steps = len(timed) * (rounds + settings.cold)
    done = 0
    if settings.cold:
        for one in timed:
            one.cold = _benchmark(context.device, one.artifact, settings, runs=1, cold=True)
            context.progress("bench", done := done + 1, steps)
    for number, order in enumerate(turns(len(timed), rounds, seed=config.seed)):
        # The first rounds take the runs that do not divide evenly.
        runs = settings.runs // rounds + (number < settings.runs % rounds)
        for place in order:
            one = timed[place]
            one.rounds.append(
                _benchmark(
                    context.device,
                    one.artifact,
                    settings,
                    runs=runs,
                    warmup=settings.warmup,
                    warmup_s=settings.warmup_s,
                    duration_s=settings.duration_s / rounds,
                )
            )
            context.progress("bench", done := done + 1, steps)


def _benchmark(device: Device, artifact: Artifact, settings: BenchConfig, **options: Any) -> BenchmarkResult:
    return device.benchmark(
        artifact,
        batch_size=settings.batch_size,
        threads=settings.threads,
        cooldown_s=settings.cooldown_s,
        **({"warmup": 0} | options),
    )


def _latencies(timed: Sequence[Timed], config: AuditConfig, *, emulated: bool) -> Iterable[tuple[Timed, Latency]]:
    """Each file with its latency, compared with the original on the same runtime."""
    level = config.attack.level
    for runtime in dict.fromkeys(one.artifact.runtime for one in timed):
        of_runtime = {one.artifact.variant: one for one in timed if one.artifact.runtime == runtime}
        alone = {
            variant: summarise(
                one.rounds,
                cold=one.cold,
                level=level,
                batch_size=config.bench.batch_size,
                threads=config.bench.threads,
            )
            for variant, one in of_runtime.items()
        }
        rounds = {variant: one.rounds for variant, one in of_runtime.items()}
        beside = compared(alone, rounds, original=ORIGINAL, emulated=emulated, level=level)
        yield from ((of_runtime[variant], latency) for variant, latency in beside.items())


def _row(timed: Timed, latency: Latency) -> dict[str, object]:
    first, last = timed.rounds[0], timed.rounds[-1]
    between = [state for one in timed.rounds for state in one.telemetry][1:-1]
    row = ArtifactResult(
        variant=timed.artifact.variant,
        runtime=timed.artifact.runtime,
        latency=latency,
        telemetry={
            "before": asdict(first.telemetry_before),
            "during": _extremes(between),
            "after": asdict(last.telemetry_after),
        },
    )
    rounds = [
        {"samples_ns": one.samples_ns.tolist(), "telemetry": [asdict(state) for state in one.telemetry]}
        for one in timed.rounds
    ]
    return row.to_json() | {"rounds": rounds}


def _extremes(states: Sequence[Telemetry]) -> dict[str, object]:
    """Range of what the board said during the rounds; null where it does not report."""
    celsius = [state.temperature_celsius for state in states if state.temperature_celsius is not None]
    hertz = [state.cpu_frequency_hz for state in states if state.cpu_frequency_hz is not None]
    return {
        "readings": len(states),
        "temperature_celsius_max": max(celsius, default=None),
        "cpu_frequency_hz_min": min(hertz, default=None),
        "cpu_frequency_hz_max": max(hertz, default=None),
    }
