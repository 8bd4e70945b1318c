"""From a torch model to files on disk that carry their own account."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.compression import fuse
from harness.errors import ConfigError, StorageError
from harness.export._quiet import converting
from harness.export._support import require_support
from harness.export.inspect import sizes, weight_summary
from harness.types import Artifact, TensorSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Target", "export", "export_many"]

# Largest batch a file declares: ExecuTorch plans its memory for it, so it is not free.
MAX_BATCH = 256
# What both converters call the one input and the one output.
INPUT_NAME = "args_0"
OUTPUT_NAME = "output_0"


@dataclass(frozen=True)
class Target:
    """One file to write.

    Args:
        variant: the artifact's variant.
        numerics: number format, one of ``NUMERICS``.
        path: where the file goes; its folder exists.
        recipe: how the model was made, kept in the artifact's provenance.
    """

    variant: str
    numerics: str
    path: Path
    recipe: Mapping[str, object] = field(default_factory=dict)


def export(
    model: nn.Module,
    *,
    runtime: str,
    numerics: str,
    sample_shape: Sequence[int],
    path: Path,
    calibration: NDArray[np.float32] | None = None,
    model_name: str = "target",
    variant: str = "original",
    recipe: Mapping[str, object] | None = None,
    output_kind: str = "logits",
    max_batch: int = MAX_BATCH,
) -> Artifact:
    """Export one model as one file; see :func:`export_many`."""
    target = Target(variant, numerics, path, recipe or {})
    (artifact,) = export_many(
        model,
        runtime=runtime,
        targets=[target],
        sample_shape=sample_shape,
        calibration=calibration,
        model_name=model_name,
        output_kind=output_kind,
        max_batch=max_batch,
    )
    return artifact


def export_many(
    model: nn.Module,
    *,
    runtime: str,
    targets: Sequence[Target],
    sample_shape: Sequence[int],
    calibration: NDArray[np.float32] | None = None,
    model_name: str = "target",
    output_kind: str = "logits",
    max_batch: int = MAX_BATCH,
) -> tuple[Artifact, ...]:
    """Export one model in several number formats; for LiteRT they share one conversion.

    Batch norm is folded first. Each file is written beside its place and renamed, so a file that is there is whole.
    What the file holds (share of zeros, distinct values) is read back from it, not from the model.

    Args:
        model: maps float32 ``[b, *sample_shape]`` to ``[b, n_classes]``; unchanged.
        runtime: ``litert`` or ``executorch``.
        targets: the files to write.
        sample_shape: shape of one record.
        calibration: float32 ``[m, *sample_shape]`` for ``int8``: the first ``max_batch`` records, as one batch.
        model_name: whose weights these are, the artifact's ``model``.
        output_kind: ``logits`` or ``confidences``, what the model answers.
        max_batch: largest batch size that the files accept.

    Raises:
        ConfigError: the runtime does not take a number format, or calibration records are missing.
        ArtifactError: the model cannot be folded or converted.
        DependencyError: the converter is not installed.
        StorageError: a file cannot be written.
    """
    shape = tuple(int(d) for d in sample_shape)
    for target in targets:
        require_support(runtime, target.numerics, variant=target.variant)
    statics = [t.variant for t in targets if t.numerics == "int8"]
    ranges = _calibration(calibration, shape, max_batch=max_batch, variants=statics)
    converter = _converter(runtime)
    folded, difference = fuse(model, sample_shape=shape)
    shared = {
        "runtime": runtime,
        "packages": _versions(converter.PACKAGES),
        "folding_max_difference": difference,
        "max_batch": max_batch,
    }
    output = TensorSpec(OUTPUT_NAME, "float32", (_n_classes(folded, shape),))
    inputs = (TensorSpec(INPUT_NAME, "float32", shape),)
    artifacts = []
    what = f"{model_name} to {runtime}"
    for target, content in _converted(
        converter, folded, targets, what=what, shape=shape, ranges=ranges, max_batch=max_batch
    ):
        _write(target.path, content)
        artifacts.append(
            Artifact(
                model=model_name,
                variant=target.variant,
                runtime=runtime,
                path=target.path,
                sha256=hashlib.sha256(content).hexdigest(),
                size_bytes=len(content),
                inputs=inputs,
                output=output,
                output_kind=output_kind,
                provenance=shared | _account(target, runtime, ranges),
            )
        )
    return tuple(artifacts)


def _account(target: Target, runtime: str, ranges: NDArray[np.float32] | None) -> dict[str, object]:
    """What is told of one file: how it was made, and what is read back from it."""
    account: dict[str, object] = {"numerics": target.numerics, "recipe": dict(target.recipe)}
    if target.numerics == "int8" and ranges is not None:
        account["calibration"] = {"n": len(ranges), "sha256": hashlib.sha256(ranges.tobytes()).hexdigest()}
    account["weights"] = [summary.to_json() for summary in weight_summary(target.path, runtime)]
    account["size_zip_bytes"] = sizes(target.path).zipped
    return account


def _converted(
    converter: Any,
    folded: nn.Module,
    targets: Sequence[Target],
    *,
    what: str,
    shape: tuple[int, ...],
    ranges: NDArray[np.float32] | None,
    max_batch: int,
) -> Iterator[tuple[Target, bytes]]:
    numerics = [target.numerics for target in targets]
    produced = None
    for target in targets:
        with converting(f"{what}, {target.variant}"):
            # The generator is made inside: importing a converter prints as much as running it.
            produced = produced or converter.convert(
                folded, numerics=numerics, sample_shape=shape, calibration=ranges, max_batch=max_batch
            )
            content: bytes = next(produced)
        yield target, content


def _converter(runtime: str) -> Any:
    if runtime == "litert":
        from harness.export import _litert

        return _litert
    from harness.export import _executorch

    return _executorch


def _calibration(
    records: NDArray[np.float32] | None, shape: tuple[int, ...], *, max_batch: int, variants: Sequence[str]
) -> NDArray[np.float32] | None:
    if not variants:
        return None
    if records is None or len(records) == 0:
        raise ConfigError(f"variant {variants[0]!r} needs calibration records", hint="set calibration above 0")
    if records.shape[1:] != shape:
        raise ConfigError(f"calibration records have shape {records.shape[1:]}, the model takes {shape}")
    return np.ascontiguousarray(records[:max_batch], dtype=np.float32)


def _n_classes(model: nn.Module, shape: tuple[int, ...]) -> int:
    import torch

    with torch.inference_mode():
        return int(model(torch.zeros((1, *shape))).shape[1])


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _write(path: Path, content: bytes) -> None:
    """Write beside the place and rename: whoever finds the file finds all of it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written: {error.strerror}", hint="free some space") from error
