"""Stage `bench`: device-side latency of every artifact of the target."""

from __future__ import annotations

from dataclasses import asdict

from harness.config import AuditConfig
from harness.latency import summarise
from harness.run import Run
from harness.stages.export import artifacts_of
from harness.stages.material import TARGET, Material
from harness.stages.tools import Tools

__all__ = ["bench"]


def bench(config: AuditConfig, run: Run, tools: Tools) -> dict[str, object]:
    """Time each artifact on the device: warm-up, then raw samples, which are kept.

    Returns:
        One row per artifact: percentiles with intervals, telemetry before and after, raw samples in nanoseconds.
    """
    run.require("export")
    wanted = [a for a in artifacts_of(run, config, Material.load(config, run)) if a.model == TARGET]
    rows: list[dict[str, object]] = []
    for done, artifact in enumerate(wanted, start=1):
        tools.device.deploy(artifact)
        result = tools.device.benchmark(
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
        tools.progress("bench", done, len(wanted))
    return {"artifacts": rows}
