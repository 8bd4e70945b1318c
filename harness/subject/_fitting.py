"""Whether supplied records and supplied files go together, found out on the device before the long run.

A file says what it takes (`Device.describe`), where its format knows; then it is shown a few records. What does not
fit is told with the mend: a transposed layout, a missing input, values outside what a quantized input can hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.devices import Device, Signature, TensorInfo
from harness.errors import ArtifactError, ConfigError, DeviceOutputError, EdgeleakError, InputError
from harness.types import Array, Artifact, IntArray, Records, TensorSpec

__all__ = ["check_classes", "deploy", "fitted", "printable", "signature_error"]

# Records that every file is shown first: enough to see what kind of answers it gives.
PROBED = 32
# A quantized input may cut off the tails of what it was calibrated with; more than this share is another scale.
MOST_CLIPPED = 0.1
# What images are moved by, and how one calls it.
TRANSPOSES = {
    "numpy.moveaxis(inputs, 1, -1), NCHW to NHWC": (1, -1),
    "numpy.moveaxis(inputs, -1, 1), NHWC to NCHW": (-1, 1),
}
LAYOUT_HINT = "store them in the layout, type and range that your app feeds the model"


def fitted(device: Device, artifact: Artifact, records: Records, source: str) -> tuple[Artifact, NDArray[np.float32]]:
    """Show a deployed file a few records.

    Args:
        device: holds the file.
        artifact: the file.
        records: the audited ones.
        source: how messages call the records.

    Returns:
        The file with what it takes and answers, and its answers to the first records, ``[b, C]``.

    Raises:
        ConfigError: the records do not fit the file.
        ArtifactError: the file does not answer with one vector a record.
    """
    signature = device.describe(artifact)
    problem = signature_error(signature, records)
    if problem is not None:
        message, hint = problem
        raise ConfigError(f"{artifact.path}: the records of {source} do not fit: {message}", hint=hint)
    _require_vector(artifact.path, signature)
    few = records.take(slice(0, PROBED))
    named = replace(artifact, inputs=tuple(_spec(info) for info in signature.inputs))
    try:
        (answer,) = device.invoke([named], [(0, few)])
    except InputError as error:
        message = f"{artifact.path}: the records of {source} do not fit: {error.message}"
        raise ConfigError(message, hint=_transpose(device, named, few) or LAYOUT_HINT) from error
    except DeviceOutputError as error:
        if "expected float32" in error.message:
            raise ArtifactError(
                f"{error.message}: an audit needs one vector of class scores a record",
                hint="export the model with its classifier as the first output",
            ) from error
        raise
    outputs = answer.outputs[named.key]
    return replace(named, output=TensorSpec("", "float32", outputs.shape[1:])), outputs


def deploy(device: Device, artifact: Artifact) -> None:
    """Put a supplied file on the device.

    Raises:
        ArtifactError: the device's runtime refuses it.
        DeviceError: no room, no such runtime, or the device was lost.
    """
    try:
        device.deploy(artifact)
    except ArtifactError as error:
        raise ArtifactError(
            error.message, hint="give the file as it ships, made for a runtime of the agent's version"
        ) from error


def check_classes(artifacts: Sequence[Artifact], labels: Mapping[str, IntArray]) -> None:
    """Raise unless all files have the same classes, and every label is one of them.

    Args:
        artifacts: files whose output is known.
        labels: source of the records -> their labels.

    Raises:
        ConfigError: two files have different numbers of classes.
        InputError: a label is none of the classes.
    """
    # A single number tells two classes apart.
    classes = {str(file.path): max(2, file.output.shape[0]) for file in artifacts}
    first, *others = classes
    for other in others:
        if classes[other] != classes[first]:
            raise ConfigError(
                f"{other} has {classes[other]} classes, {first} has {classes[first]}",
                hint="an audit compares versions of one model",
            )
    for source, values in labels.items():
        if values.max() >= classes[first]:
            raise InputError(
                f"{source}: labels go up to {values.max()}, outside 0..{classes[first] - 1}, the classes of {first}",
                hint="labels are the places of the classes in the model's output",
            )


def signature_error(signature: Signature, records: Records) -> tuple[str, str] | None:
    """What about the records does not fit a file that says what it takes, and the mend; None where nothing is seen."""
    takes = signature.inputs
    if not signature.inputs_known:
        return None
    if len(takes) != len(records.inputs):
        names = ", ".join(printable(info.name) for info in takes)
        return (
            f"the file takes {len(takes)} inputs ({names}), the records have "
            f"{len(records.inputs)} ({', '.join(records.inputs)})",
            "store each input under a key of its own: inputs/NAME",
        )
    for info, (name, values) in zip(takes, _in_order(takes, records), strict=True):
        problem = _input_error(info, name, values)
        if problem is not None:
            return problem
    return None


def _input_error(info: TensorInfo, name: str, values: Array) -> tuple[str, str] | None:
    shape = values.shape[1:]
    if not _matches(shape, info.shape):
        expected, got = _axes(("n", *info.shape)), f"{values.dtype.name} {[1, *shape]}"
        message = f"input {info.name or name!r}: expected {_fed(info)} {expected}, got {got} for one record"
        return message, _moved(values, info) or LAYOUT_HINT
    if values.dtype.kind != "f" or np.dtype(info.dtype).kind == "f":
        return None  # the device casts integers and says what it cannot
    if info.scale is None:
        return (
            f"input {info.name or name!r} takes {info.dtype} and is not quantized, the records are {values.dtype.name}",
            f"store {info.dtype} records, as your app feeds the model",
        )
    limits = np.iinfo(np.dtype(info.dtype))
    zero = info.zero_point or 0
    low, high = (limits.min - zero) * info.scale, (limits.max - zero) * info.scale
    numbers = values.astype(np.float64)
    clipped = float(((numbers < low - info.scale) | (numbers > high + info.scale)).mean())
    if clipped <= MOST_CLIPPED:
        return None
    return (
        f"input {info.name or name!r} is {info.dtype} and holds {low:.4g} to {high:.4g}, the records go from "
        f"{float(values.min()):.4g} to {float(values.max()):.4g}: {100 * clipped:.0f}% of the values would be cut off",
        f"scale the records as your app does, or store {info.dtype} records",
    )


def _require_vector(path: Path, signature: Signature) -> None:
    if signature.outputs_known and signature.outputs and len(signature.outputs[0].shape) != 1:
        raise ArtifactError(
            f"{path}: its first output is {_axes(signature.outputs[0].shape)} a record; an audit needs one vector of "
            "class scores",
            hint="export the model with its classifier as the first output",
        )


def _in_order(takes: Sequence[TensorInfo], records: Records) -> list[tuple[str, Array]]:
    """The records' inputs in the file's order where the names agree, else in their own."""
    names = [info.name for info in takes]
    if set(names) == set(records.inputs):
        return [(name, records.inputs[name]) for name in names]
    return list(records.inputs.items())


def _matches(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(shape) == len(wanted) and all(want in (-1, got) for want, got in zip(wanted, shape, strict=True))


def _moved(values: Array, info: TensorInfo) -> str | None:
    """The transpose after which an image would fit."""
    if values.ndim != 4:
        return None
    for call, (source, target) in TRANSPOSES.items():
        if _matches(np.moveaxis(values[:1], source, target).shape[1:], info.shape):
            return f"the file takes them transposed: {call}"
    return None


def _transpose(device: Device, artifact: Artifact, few: Records) -> str | None:
    """The transpose that a file takes whose format does not say what it takes."""
    for call, (source, target) in TRANSPOSES.items():
        moved = {k: np.moveaxis(v, source, target) if v.ndim == 4 else v for k, v in few.inputs.items()}
        if all(moved[k].shape == v.shape for k, v in few.inputs.items()):
            continue
        try:
            list(device.invoke([artifact], [(0, Records(moved, few.labels, few.ids))]))
        except EdgeleakError:
            continue
        return f"the file takes them transposed: {call}"
    return None


def printable(name: str) -> str:
    """A name that comes from a file somebody else made, as part of one line."""
    return name if name.isprintable() else repr(name)


def _fed(info: TensorInfo) -> str:
    """What the model's author feeds: real numbers where the file quantizes them itself."""
    return "float32" if info.scale is not None else info.dtype


def _axes(shape: Sequence[int | str]) -> str:
    return "[" + ", ".join("any" if axis == -1 else str(axis) for axis in shape) + "]"


def _spec(info: TensorInfo) -> TensorSpec:
    return TensorSpec(info.name, info.dtype, tuple(info.shape))
