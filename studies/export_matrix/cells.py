"""One architecture's cells: trained small, made into every variant, exported everywhere, asked on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import collection, fields
from harness.audit.context import Context
from harness.audit.plan import run_stage
from harness.config import AuditConfig, DeviceConfig, parse
from harness.devices import Device
from harness.errors import ArtifactError, ConfigError, DeviceLostError, DeviceUnavailableError, EdgeleakError
from harness.store import Run
from harness.subject import AUDIT, TARGET
from harness.subject.exported import read_artifact, unsupported
from harness.subject.trained import TrainedSubject, reference_path
from harness.types import Artifact, Records
from studies.export_matrix.conversions import export_all

__all__ = ["ARCHITECTURES", "VARIANTS", "cells"]

Progress = Callable[[str, int, int], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class _Small:
    """A width that trains in seconds, and the embedded records in the shape that the architecture takes."""

    data: str
    width: int
    epochs: int = 8
    learning_rate: float = 2e-3


ARCHITECTURES = {
    "cnn": _Small("digits", 16),
    "resnet18": _Small("digits-32", 8),
    "resnet50": _Small("digits-32", 8),
    "vgg16-bn": _Small("digits-32", 8),
    "mobilenetv2": _Small("digits-32", 8),
    "densenet121": _Small("digits-32", 4),
    "mlp": _Small("digits-table", 32),
    "bert": _Small("digits-words", 32, epochs=12),
    "gpt2": _Small("digits-words", 32, epochs=12),
}
VARIANTS = (
    "original",
    "fp16",
    "int8",
    "int8-dynamic",
    "int8-weights",
    "int4",
    "int16x8",
    "int8-qat",
    "prune-0.8",
    "prune-0.8+int8",
    "cluster-16",
    "cluster-16+int8",
    "ternary-0.9",
)
# Records that every cell is asked about, half of them trained on.
MEMBERS, NONMEMBERS = 400, 400
BATCH = 64


def cells(
    name: str,
    folder: Path,
    *,
    variants: Sequence[str],
    runtimes: Sequence[str],
    device: str,
    jobs: int | None,
    progress: Progress,
) -> list[Row]:
    """Every variant on every runtime of one architecture; a cell that fails says why.

    Raises:
        ConfigError: the architecture, a variant or a runtime is not known.
        EdgeleakError: it cannot be trained, or the device is lost.
    """
    config = _config(name, variants, runtimes, jobs)

    def named(label: str, done: int, total: int) -> None:
        progress(f"{name}: {label}", done, total)

    with Run.open(folder / name, config) as run, Context(named, DeviceConfig(url=device)) as context:
        if not run.is_done("train"):
            run_stage("train", config, run, context)
        failures = export_all(config, run, context)
        subject = TrainedSubject.load(config, run)
        records = subject.population(AUDIT)
        rows = []
        wanted = [(variant, runtime) for variant in variants for runtime in runtimes]
        for done, (variant, runtime) in enumerate(wanted):
            named("ask", done, len(wanted))
            row: Row = {"architecture": name, "variant": variant, "runtime": runtime}
            failure = failures.get((variant, runtime))
            rows.append(row | _cell(run, subject, context, records, variant, runtime, failure))
        named("ask", len(wanted), len(wanted))
    return rows


def _config(name: str, variants: Sequence[str], runtimes: Sequence[str], jobs: int | None) -> AuditConfig:
    if name not in ARCHITECTURES:
        raise ConfigError(f"architecture {name!r} is not in the matrix", hint=f"one of: {', '.join(ARCHITECTURES)}")
    small = ARCHITECTURES[name]
    return parse(
        {
            "name": f"matrix-{name}",
            "seed": 1,
            **({} if jobs is None else {"jobs": jobs}),
            "data": {"name": small.data, "members": MEMBERS, "nonmembers": NONMEMBERS, "population": 1},
            "model": {"name": name, "width": small.width},
            "training": {
                "epochs": small.epochs,
                "batch_size": 32,
                "learning_rate": small.learning_rate,
                "shadows": 0,
            },
            "compression": {"variants": list(variants), "finetune_epochs": 2},
            "export": {"runtimes": list(runtimes)},
            "mis": {"enabled": False},
        },
        source=f"matrix {name}",
    )


def _cell(
    run: Run,
    subject: TrainedSubject,
    context: Context,
    records: Records,
    variant: str,
    runtime: str,
    failure: str | None,
) -> Row:
    reason = unsupported(subject, variant, runtime)
    if reason is not None:
        return {"status": "unsupported", "reason": reason}
    if failure is not None:
        return {"status": "failed", "reason": failure}
    place = f"cells/{variant}-{runtime}.json"
    try:
        return run.read_json(place)
    except EdgeleakError:
        pass  # it was not asked yet
    artifact = read_artifact(run, TARGET, variant, runtime)
    try:
        answers = _asked(context.device, artifact, records)
    except (DeviceLostError, DeviceUnavailableError):
        raise
    except EdgeleakError as error:
        return {"status": "failed", "reason": error.message}
    # Torch was asked about the same records, once for each set of float weights.
    reference = np.load(reference_path(run, variant), allow_pickle=False)
    parity = collection.parity(answers, reference)
    row = {
        "status": "ok",
        "size_bytes": artifact.size_bytes,
        "max_abs_difference": parity.max_abs_difference,
        "largest_logit": float(np.abs(reference).max()),
        "flips": parity.flips,
        "n": parity.n,
        "accuracy": float((answers.argmax(axis=1) == records.labels).mean()),
        **_contents(subject, artifact),
    }
    run.write_json(place, row)
    return row


def _asked(device: Device, artifact: Artifact, records: Records) -> NDArray[np.float32]:
    """The device's answers, float32 ``[n, C]``."""
    device.deploy(artifact)
    batches = (
        (number, records.take(slice(begin, begin + BATCH)))
        for number, begin in enumerate(range(0, len(records), BATCH))
    )
    try:
        answers = [answer.outputs[artifact.key] for answer in device.invoke([artifact], batches)]
    finally:
        device.purge([artifact])
    return np.concatenate(answers)


def _contents(subject: TrainedSubject, artifact: Artifact) -> Row:
    """What the file's own bytes hold."""
    (file,) = subject.file_results([artifact])
    if not file.weights:
        raise ArtifactError(f"{artifact.path.name}: no weight could be read back from it")
    return {
        "zip_bytes": file.zip_bytes,
        "share_zeros": file.share_zeros,
        "distinct_values": max(file.distinct_values),
        "bits": sorted({fields.integer(tensor, "bits") or 0 for tensor in file.weights}),
    }
