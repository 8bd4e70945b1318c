"""What can be known of supplied files and records before an audit, as comments of its audit.toml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.config import AuditConfig
from harness.devices import Device, Signature, TensorInfo
from harness.subject._fitting import PROBED, printable
from harness.subject.answers import AnswersSubject
from harness.subject.names import AUDIT, TARGET
from harness.subject.supplied import SuppliedSubject
from harness.types import Artifact
from protos.runtimes import RUNTIMES

__all__ = ["of_answers", "of_files"]


def of_files(config: AuditConfig, device: Device) -> dict[str, list[str]]:
    """What each file takes and answers, asked on a device, and what the records hold.

    Args:
        config: an audit of supplied files.
        device: which loads every file and shows it some records.

    Returns:
        Variant, or ``records`` -> sentences.

    Raises:
        UsageError: records and a file do not go together; the message names both and the mend.
        UnresolvedError: there are too few records.
    """
    audited = SuppliedSubject.load(config)
    few = audited.population(AUDIT).take(slice(0, PROBED))
    comments: dict[str, list[str]] = {}
    with TemporaryDirectory(prefix="edgeleak-") as folder:
        prepared = audited.prepare(device, audited.converted(Path(folder)))
    for artifact in prepared:
        if artifact.model != TARGET:
            continue
        (answer,) = device.invoke([artifact], [(0, few)])
        form, reason = audited.output_form(artifact, answer.outputs[artifact.key])
        comments[artifact.variant] = [
            *_file_lines(artifact, device.describe(artifact)),
            f"answers: {artifact.output.shape[0]} numbers a record, read as {form} ({reason})",
        ]
    summary = audited.summary()
    inputs = ", ".join(f"{name}: {values.dtype.name} {list(values.shape[1:])}" for name, values in few.inputs.items())
    comments["records"] = [
        f"{summary['members']} members and {summary['nonmembers']} non-members; a record is {inputs}",
        f"classes in the labels: {int(audited.population(AUDIT).labels.max()) + 1} at least",
    ]
    return comments


def of_answers(config: AuditConfig) -> dict[str, list[str]]:
    """What a file of answers holds; see :func:`of_files`.

    Raises:
        InputError: the file or an array cannot be used; its key is named.
        UnresolvedError: there are too few records.
    """
    audited = AnswersSubject.load(config)
    summary, target = audited.summary(), audited.target
    kinds = {"logits": tuple(target.logits), "confidences": tuple(target.confidences)}
    return {
        "answers": [
            f"{summary['members']} members and {summary['nonmembers']} non-members, {target.n_classes} classes, "
            f"{summary['shadows']} shadow models",
            *(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names),
        ]
    }


def _file_lines(artifact: Artifact, signature: Signature) -> Sequence[str]:
    title = RUNTIMES[artifact.runtime].title
    name = printable(Path(artifact.path).name)
    first = f"{name}: {title}, {artifact.size_bytes:,} bytes, SHA-256 {artifact.sha256[:12]}..."
    if not signature.inputs_known:
        return [first, "the format does not say what the file takes"]
    return [first, *(f"takes {_tensor(info)}" for info in signature.inputs)]


def _tensor(info: TensorInfo) -> str:
    axes = ", ".join("any" if axis == -1 else str(axis) for axis in info.shape)
    text = f"{printable(info.name) or 'input'}: {info.dtype} [{axes}] a record{_layout(info.shape)}"
    return text if info.scale is None else f"{text}, quantized: scale {info.scale:.6g}, zero point {info.zero_point}"


def _layout(shape: Sequence[int]) -> str:
    """The order of an image's axes, where the number of channels gives it away."""
    if len(shape) != 3:
        return ""
    first, last = shape[0] in (1, 3, 4), shape[-1] in (1, 3, 4)
    return "" if first == last else " (channels first, NCHW)" if first else " (channels last, NHWC)"
