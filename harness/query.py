"""Asks model files about records on a device, and writes the answers as `edgeleak attack` reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import collection, files
from harness.audit.accuracy import accuracy
from harness.config import ArtifactConfig
from harness.data import output_kind
from harness.data.records import read as read_records
from harness.devices import Device, DeviceInfo, open_device
from harness.errors import ConfigError, DeviceLostError, InterruptedRunError
from harness.subject._fitting import check_classes, deploy, fitted
from harness.subject.draft import named_files
from harness.subject.supplied import artifact_of
from harness.types import Array, Artifact, IntArray, Records

__all__ = ["query", "sentences"]

SCHEMA = "edgeleak.query/1"
# Records a batch, fewer where so many would take more than this share of the largest message.
BATCH = 64
SHARE_OF_MESSAGE = 4

Progress = Callable[[str, int, int], None]


@dataclass
class _Memory:
    """Where one artifact's answers go: this process, for the minutes that a query takes."""

    batches: list[NDArray[np.float32]] = field(default_factory=list)

    def batches_done(self) -> int:
        return len(self.batches)

    def rewind(self, number: int) -> None:
        del self.batches[number:]

    def append(self, number: int, answers: NDArray[np.float32]) -> None:  # noqa: ARG002 - the sink protocol's name
        self.batches.append(answers)


def query(
    path: Path,
    models: Sequence[str],
    *,
    out: Path,
    device: str = "local",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Ask files about records and write down what they answered, in the format of `harness.data.answers`.

    Every file is fed the same batches. Nothing is known of a file but its suffix, so each is shown one record first:
    a layout that does not fit is refused before the long run, and the answer says how many classes there are.

    Args:
        path: the records; `harness.data.records` describes their keys.
        models: ``NAME=FILE`` each; SR attacks take the one called ``original`` for the uncompressed one.
        out: the .npz file to write, readable by its owner alone.
        device: ``local``, or ``grpc://HOST:PORT``.
        overwrite: whether a file that is there already is replaced.
        progress: called with (label, records done, records in all).

    Returns:
        The device, the records, and for each model its file's digest, what its outputs were taken for and why, and its
        accuracy with an interval, as one JSON object.

    Raises:
        ConfigError: the answers' file is there already, a model is not NAME=FILE, a name comes twice, a suffix is
            unknown, or records do not fit a file.
        InputError: an array cannot be used; its key is named.
        ArtifactError: a file is missing, or is no model of its runtime.
        DeviceError: the device is lost, or answers NaN.
        InterruptedRunError: Ctrl-C; nothing was written.
    """
    _require_place(out, path, overwrite=overwrite)
    # Errors name an artifact by its key, so the file's name stands where an audit says whose weights these are.
    named = _named(models)
    artifacts = [artifact_of(file.name, ArtifactConfig(variant=name, file=str(file))) for name, file in named.items()]
    records, membership = read_records(path)
    try:
        with open_device(device) as opened:
            info = opened.info()
            for artifact in artifacts:
                deploy(opened, artifact)
            artifacts = [fitted(opened, artifact, records, str(path))[0] for artifact in artifacts]
            check_classes(artifacts, {str(path): records.labels})
            answers, times = _collected(opened, info, artifacts, records, progress)
    except DeviceLostError as error:
        error.hint = "run the same command again once the device answers: nothing was written"
        raise
    except KeyboardInterrupt:
        raise InterruptedRunError("interrupted: nothing was written", hint="run the same command again") from None
    table: dict[str, Array] = {"target/labels": records.labels}
    if membership is not None:
        table["target/membership"] = membership
    table |= {f"target/groups/{name}": values for name, values in records.groups.items()}
    if records.canary is not None:
        table["target/canary"] = records.canary
    rows = []
    for artifact in artifacts:
        reading = output_kind.read(answers[artifact.key], name=str(artifact.path))
        table[f"target/{reading.kind}/{artifact.variant}"] = reading.values
        rows.append(_row(artifact, reading, records.labels, membership))
    _write(out, table)
    return {
        "schema": SCHEMA,
        "answers": str(out),
        "device": info.to_json(),
        "records": {
            "path": str(path),
            "n": len(records),
            "members": None if membership is None else int(membership.sum()),
            "inputs": {k: {"dtype": v.dtype.name, "shape": list(v.shape[1:])} for k, v in records.inputs.items()},
        },
        "models": rows,
        "times": {"answers": times.records, "wall_ns": times.wall_ns, "kernel_ns": times.kernel_ns},
    }


def sentences(result: Mapping[str, Any]) -> list[str]:
    """What a query says, a line for each model and one for what comes next."""
    lines = [
        f"{row['variant']} on {row['runtime']}: accuracy {_accuracies(row)}; {row['outputs']} ({row['reason']})"
        for row in result["models"]
    ]
    asked = result["records"]
    if asked["members"] is None:
        lines.append("the records carry no membership, so there is nothing yet that edgeleak attack could contrast")
    else:
        lines.append(
            f"{asked['members']} members and {asked['n'] - asked['members']} non-members; "
            f"next: edgeleak attack {result['answers']}"
        )
    return lines


def _require_place(out: Path, records: Path, *, overwrite: bool) -> None:
    """Raise now what would make the answers unwritable, or unreadable to `attack`, in some minutes."""
    if out.suffix != ".npz":
        raise ConfigError(f"--out {out}: expected a name that ends in .npz, as edgeleak attack wants it")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"--out {out}: its folder does not exist", hint="make it first")
    if out.exists() and records.exists() and out.samefile(records):
        raise ConfigError(f"--out {out}: these are the records", hint="give the answers another name")
    if out.exists() and not overwrite:
        raise ConfigError(f"--out {out}: exists already", hint="give another name, or add --force to replace it")


def _named(models: Sequence[str]) -> dict[str, Path]:
    """Name and file of each model."""
    named = named_files(models, option="--model")
    if not named:
        raise ConfigError("no model is given", hint="e.g. --model original=model.tflite --model int8=model.int8.tflite")
    return named


def _collected(
    device: Device, info: DeviceInfo, artifacts: Sequence[Artifact], records: Records, progress: Progress | None
) -> tuple[dict[str, NDArray[np.float32]], collection.CollectionTimes]:
    """Artifact key -> its answers ``[n, C]``, and how the time was spent."""
    sinks = {artifact.key: _Memory() for artifact in artifacts}
    record_bytes = sum(values[:1].nbytes for values in records.inputs.values())
    times = collection.collect(
        device,
        artifacts,
        records,
        sinks,
        batch_size=max(1, min(BATCH, info.max_message_bytes // SHARE_OF_MESSAGE // max(1, record_bytes))),
        clock_ns=time.perf_counter_ns,
        progress=progress,
        label="query",
    )
    return {key: np.concatenate(sink.batches) for key, sink in sinks.items()}, times


def _row(
    artifact: Artifact, reading: output_kind.Reading, labels: IntArray, membership: IntArray | None
) -> dict[str, object]:
    row: dict[str, object] = {
        "variant": artifact.variant,
        "path": str(artifact.path),
        "runtime": artifact.runtime,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "outputs": reading.kind,
        "reason": reading.reason,
        "classes": reading.values.shape[1],
        "accuracy": accuracy(reading.values, labels).to_json(),
    }
    for name, side in () if membership is None else (("members", 1), ("nonmembers", 0)):
        rows = np.asarray(membership == side)
        if rows.any():
            row[f"accuracy_{name}"] = accuracy(reading.values[rows], labels[rows]).to_json()
    return row


def _accuracies(row: Mapping[str, Any]) -> str:
    """On members and on non-members apart: together they hide how much better the model knows its training set."""
    sides = (("members", "members"), ("nonmembers", "non-members"))
    parts = [f"on {name} {_range(row[f'accuracy_{key}'])}" for key, name in sides if f"accuracy_{key}" in row]
    return ", ".join(parts) or _range(row["accuracy"])


def _range(estimate: Mapping[str, Any]) -> str:
    low, high = (f"{100 * estimate[end]:.1f}" for end in ("low", "high"))
    return f"{100 * estimate['value']:.1f}% [{low}, {high}] (n = {estimate['n']})"


def _write(out: Path, table: Mapping[str, Array]) -> None:
    with files.replacing(out.absolute()) as stream:
        np.savez(stream, **dict(table))  # type: ignore[arg-type]  # numpy types its own option as a key
