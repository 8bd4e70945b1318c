"""The door for models that exist already: files and records in, the answers of a device out, as `attack` reads them."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import collection
from harness.data import output_kind as outputs
from harness.data.records import read as read_records
from harness.devices import Device, DeviceInfo, open_device
from harness.errors import (
    ArtifactError,
    ConfigError,
    DeviceLostError,
    EdgeleakError,
    InputError,
    InterruptedRunError,
    StorageError,
)
from harness.export import SUFFIXES
from harness.types import Array, Artifact, IntArray, Records, TensorSpec

__all__ = ["query", "sentences"]

SCHEMA = "edgeleak.query/1"
# Records a batch, fewer where so many would take more than this share of the largest message.
BATCH = 64
SHARE_OF_MESSAGE = 4
RUNTIMES = {suffix: runtime for runtime, suffix in SUFFIXES.items()}
# One vector a record; how many classes, the first answer tells.
ANSWER = TensorSpec("", "float32", (-1,))
# What images are moved by, and how one calls it.
TRANSPOSES = {
    "numpy.moveaxis(inputs, 1, -1), NCHW to NHWC": (1, -1),
    "numpy.moveaxis(inputs, -1, 1), NHWC to NCHW": (-1, 1),
}
FILE_HINT = "give the file as it ships; its suffix says which runtime reads it"

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
    path: Path, models: Sequence[str], *, out: Path, device: str = "local", progress: Progress | None = None
) -> dict[str, Any]:
    """Ask files about records and write down what they answered, in the format of `harness.data.answers`.

    Every file is fed the same batches. Nothing is known of a file but its suffix, so each is shown one record first:
    a layout that does not fit is found before the long run, and the answer tells how many classes there are.

    Args:
        path: the records; `harness.data.records` describes their keys.
        models: ``NAME=FILE`` each; SR attacks take the one called ``original`` for the uncompressed one.
        out: the .npz file to write, readable by its owner alone.
        device: ``local``, or ``grpc://HOST:PORT``.
        progress: called with (label, records done, records in all).

    Returns:
        The device, the records, and for each model its file's digest, what its outputs were taken for and why, and its
        accuracy with an interval, as one JSON object.

    Raises:
        ConfigError: a model is not NAME=FILE, a name comes twice, a suffix is unknown, or records do not fit a file.
        InputError: an array cannot be used; its key is named.
        ArtifactError: a file is missing, or is no model of its runtime.
        DeviceError: the device is lost, or answers NaN.
        InterruptedRunError: Ctrl-C; nothing was written.
    """
    _require_place(out, path)
    artifacts = [_artifact(*named) for named in _named(models)]
    records, membership = read_records(path)
    try:
        with open_device(device) as opened:
            info = opened.info()
            for artifact in artifacts:
                _deploy(opened, artifact)
            _probe(opened, artifacts, records, path)
            answers, times = _collected(opened, info, artifacts, records, progress)
    except DeviceLostError as error:
        error.hint = "start the agent again and run the same command again: nothing was written"
        raise
    except KeyboardInterrupt:
        raise InterruptedRunError("interrupted: nothing was written", hint="run the same command again") from None
    table: dict[str, Array] = {"target/labels": records.labels}
    if membership is not None:
        table["target/membership"] = membership
    rows = []
    for artifact in artifacts:
        reading = outputs.read(answers[artifact.key], name=str(artifact.path))
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


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What a query found, a line for each model and one for what comes next."""
    lines = [
        f"{row['variant']} on {row['runtime']}: accuracy {_range(row['accuracy'])}; {row['outputs']} ({row['reason']})"
        for row in found["models"]
    ]
    asked = found["records"]
    if asked["members"] is None:
        lines.append("the records carry no membership, so there is nothing yet that edgeleak attack could contrast")
    else:
        lines.append(
            f"{asked['members']} members and {asked['n'] - asked['members']} non-members; "
            f"next: edgeleak attack {found['answers']}"
        )
    return lines


def _require_place(out: Path, records: Path) -> None:
    """Raise now what would make the answers unwritable, or unreadable to `attack`, in some minutes."""
    if out.suffix != ".npz":
        raise ConfigError(f"--out {out}: expected a name that ends in .npz, as edgeleak attack wants it")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"--out {out}: its folder does not exist", hint="make it first")
    if out.exists() and records.exists() and out.samefile(records):
        raise ConfigError(f"--out {out}: these are the records", hint="give the answers another name")


def _named(models: Sequence[str]) -> list[tuple[str, Path]]:
    """Name and file of each model."""
    named: dict[str, Path] = {}
    for model in models:
        name, equals, file = model.partition("=")
        if not (equals and name and file) or "/" in name or not name.isprintable():
            raise ConfigError(f"--model {model!r}: expected NAME=FILE", hint="e.g. --model int8=model.int8.tflite")
        if name in named:
            raise ConfigError(
                f"--model {model}: {name} names {named[name]} already", hint="give each a name of its own"
            )
        named[name] = Path(file)
    if not named:
        raise ConfigError("no model is given", hint="e.g. --model original=model.tflite --model int8=model.int8.tflite")
    return list(named.items())


def _artifact(variant: str, path: Path) -> Artifact:
    runtime = RUNTIMES.get(path.suffix)
    if runtime is None:
        raise ConfigError(f"{path}: suffix {path.suffix or 'none'} is none of {', '.join(RUNTIMES)}", hint=FILE_HINT)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}", hint=FILE_HINT) from None
    if size == 0:
        raise ArtifactError(f"{path}: the file is empty", hint=FILE_HINT)
    # The device room's errors name an artifact by its key, so the file's name stands where an audit says whose weights
    # these are.
    return Artifact(path.name, variant, runtime, path, digest, size, (), ANSWER)


def _deploy(device: Device, artifact: Artifact) -> None:
    try:
        device.deploy(artifact)
    except ArtifactError as error:
        raise ArtifactError(
            error.message, hint="give the file as it ships, made for a runtime of the agent's version"
        ) from error


def _probe(device: Device, artifacts: Sequence[Artifact], records: Records, path: Path) -> None:
    """Show every file the first record alone: its layout has to fit, and its classes have to cover the labels."""
    one = records.take(slice(0, 1))
    classes: dict[str, int] = {}
    for artifact in artifacts:
        try:
            (answer,) = device.invoke([artifact], [(0, one)])
        except InputError as error:
            message = f"{artifact.path}: the records of {path} do not fit: {error.message}"
            raise ConfigError(message, hint=_fitting(device, artifact, one)) from error
        # A single number tells two classes apart.
        classes[artifact.variant] = max(2, answer.outputs[artifact.key].shape[1])
    first, *others = classes
    for name in others:
        if classes[name] != classes[first]:
            raise ConfigError(f"model {name} has {classes[name]} classes, model {first} has {classes[first]}")
    row = int(records.labels.argmax())
    if records.labels[row] >= classes[first]:
        raise InputError(
            f"{path}: key labels: record {row} has label {records.labels[row]}, "
            f"outside 0..{classes[first] - 1}, the classes of {artifacts[0].path}"
        )


def _fitting(device: Device, artifact: Artifact, one: Records) -> str:
    """What to do with records that do not fit: the transpose that the file takes, if it takes one."""
    for call, (source, target) in TRANSPOSES.items():
        moved = {k: np.moveaxis(v, source, target) if v.ndim == 4 else v for k, v in one.inputs.items()}
        try:
            list(device.invoke([artifact], [(0, Records(moved, one.labels, one.ids))]))
        except EdgeleakError:
            continue
        if any(moved[k].shape != v.shape for k, v in one.inputs.items()):
            return f"the file takes them transposed: {call}"
    return "store them in the layout, type and range that your app feeds the model"


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
    artifact: Artifact, reading: outputs.Reading, labels: IntArray, membership: IntArray | None
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
        "accuracy": collection.accuracy(reading.values, labels).to_json(),
    }
    for name, side in () if membership is None else (("members", 1), ("nonmembers", 0)):
        rows = np.asarray(membership == side)
        if rows.any():
            row[f"accuracy_{name}"] = collection.accuracy(reading.values[rows], labels[rows]).to_json()
    return row


def _range(estimate: Mapping[str, Any]) -> str:
    low, high = (f"{100 * estimate[end]:.1f}" for end in ("low", "high"))
    return f"{100 * estimate['value']:.1f}% [{low}, {high}] (n = {estimate['n']})"


def _write(out: Path, table: Mapping[str, Array]) -> None:
    """Write beside the place and rename: whoever finds the file finds all of it."""
    draft = None
    try:
        with tempfile.NamedTemporaryFile(dir=out.absolute().parent, suffix=".part", delete=False) as file:
            draft = Path(file.name)
            np.savez(file, **dict(table))  # type: ignore[arg-type]  # numpy types its own option as a key
        draft.replace(out)
    except OSError as error:
        raise StorageError(
            f"{out}: cannot be written: {error.strerror}", hint="make room, or name another place"
        ) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
