"""Stage `bench`: device-side latency of every artifact of the target."""

from __future__ import annotations

from dataclasses import asdict

from harness.audit.context import Context
from harness.audit.stages.export import artifacts_of
from harness.config import AuditConfig
from harness.latency import summarise
from harness.store import Run
from harness.subject.trained import TARGET, TrainedSubject

__all__ = ["bench"]


def bench(config: AuditConfig, run: Run, context: Context) -> dict[str, object]:
    """Time each artifact on the device: warm-up, then raw samples, which are kept.

    Returns:
        One row per artifact: percentiles with intervals, telemetry before and after, raw samples in nanoseconds.
    """
    run.require("export")
    wanted = [a for a in artifacts_of(run, config, TrainedSubject.load(config, run)) if a.model == TARGET]
    rows: list[dict[str, object]] = []
    for done, artifact in enumerate(wanted, start=1):
        context.device.deploy(artifact)
        result = context.device.benchmark(
            artifact,
            warmup=config.bench.warmup,
            runs=config.bench.runs,
            batch_size=config.bench.batch_size,
            threads=config.bench.threads,
            cooldown_s=config.bench.cooldown_s,
        )
        rows.append(
            {
                "variant": artifact.variant,
                "runtime": artifact.runtime,
                "latency": summarise(result, level=config.attack.level).to_json()
                | {"batch_size": config.bench.batch_size, "threads": config.bench.threads},
                "telemetry_before": asdict(result.telemetry_before),
                "telemetry_after": asdict(result.telemetry_after),
                "samples_ns": result.samples_ns.tolist(),
            }
        )
        context.progress("bench", done, len(wanted))
    return {"artifacts": rows}
