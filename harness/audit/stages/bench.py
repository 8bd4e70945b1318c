"""Stage `bench`: device-side latency of every file of the target."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness import subject
from harness.audit.context import Context
from harness.config import AuditConfig
from harness.latency import summarise
from harness.results import ArtifactResult
from harness.store import Run
from harness.subject import TARGET

__all__ = ["bench"]


def bench(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Time each file on the device: warm-up, then raw samples, which are kept.

    Returns:
        One row a file: percentiles with intervals, telemetry before and after, raw samples in nanoseconds.
    """
    if config.kind == "trained":
        run.require("export")
    wanted = [a for a in subject.load(config, run).artifacts(run) if a.model == TARGET]
    rows: list[dict[str, object]] = []
    settings = config.bench
    for done, artifact in enumerate(wanted, start=1):
        context.device.deploy(artifact)
        timed = context.device.benchmark(
            artifact,
            warmup=settings.warmup,
            runs=settings.runs,
            batch_size=settings.batch_size,
            threads=settings.threads,
            cooldown_s=settings.cooldown_s,
        )
        row = ArtifactResult(
            variant=artifact.variant,
            runtime=artifact.runtime,
            latency=summarise(
                timed, level=config.attack.level, batch_size=settings.batch_size, threads=settings.threads
            ),
            telemetry={"before": asdict(timed.telemetry_before), "after": asdict(timed.telemetry_after)},
        )
        rows.append(row.to_json() | {"samples_ns": timed.samples_ns.tolist()})
        context.progress("bench", done, len(wanted))
    return {"artifacts": rows}
