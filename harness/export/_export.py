"""From a torch model to files on disk that carry their own account."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.compression import fuse
from harness.errors import ConfigError, InputError
from harness.export._blame import layer_at_fault
from harness.export._source import INPUT_NAME, OUTPUT_NAME, Source
from harness.export._support import STATIC, exporter, require_support
from harness.export.inspect import sizes, weight_summary
from harness.files import write
from harness.silence import converting
from harness.types import Array, Artifact, TensorSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Target", "export", "export_many"]

# Largest batch a file declares: ExecuTorch plans its memory for it, so it is not free.
MAX_BATCH = 256


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
    sample_dtype: str = "float32",
    calibration: Array | None = None,
    model_name: str = "target",
    variant: str = "original",
    recipe: Mapping[str, object] | None = None,
    output_kind: str = "logits",
    max_batch: int = MAX_BATCH,
    cache: Path | None = None,
) -> Artifact:
    """Export one model as one file; see :func:`export_many`."""
    target = Target(variant, numerics, path, recipe or {})
    (artifact,) = export_many(
        model,
        runtime=runtime,
        targets=[target],
        sample_shape=sample_shape,
        sample_dtype=sample_dtype,
        calibration=calibration,
        model_name=model_name,
        output_kind=output_kind,
        max_batch=max_batch,
        cache=cache,
    )
    return artifact


def export_many(
    model: nn.Module,
    *,
    runtime: str,
    targets: Sequence[Target],
    sample_shape: Sequence[int],
    sample_dtype: str = "float32",
    calibration: Array | None = None,
    model_name: str = "target",
    output_kind: str = "logits",
    max_batch: int = MAX_BATCH,
    cache: Path | None = None,
) -> tuple[Artifact, ...]:
    """Export one model in several number formats; where the runtime's context allow it they share one conversion.

    Batch norm is folded first. Each file is written beside its place and renamed, so a file that is there is whole.
    What the file holds (share of zeros, distinct values) is read back from it, not from the model.

    Args:
        model: maps ``[b, *sample_shape]`` to ``[b, n_classes]``; unchanged.
        runtime: a key of `protos.runtimes.RUNTIMES`.
        targets: the files to write.
        sample_shape: shape of one record.
        sample_dtype: numpy name of what the model is fed: ``float32``, or ``int64`` for token ids.
        calibration: ``[m, *sample_shape]`` for ``int8`` and ``int16x8``: the first ``max_batch`` records, as one batch.
        model_name: whose weights these are, the artifact's ``model``.
        output_kind: ``logits`` or ``confidences``, what the model answers.
        max_batch: largest batch size that the files accept.
        cache: a folder, made where it is missing, that keeps conversions for other weights of the same architecture:
            LiteRT's float file is then patched where that is proven to give the bytes of a full conversion. None
            keeps nothing.

    Raises:
        ConfigError: the runtime does not take a number format, or calibration records are missing.
        InputError: a calibration record is not finite.
        ArtifactError: the model cannot be folded or converted.
        DependencyError: the converter is not installed.
        StorageError: a file cannot be written.
    """
    shape = tuple(int(d) for d in sample_shape)
    convolutions = _has_convolutions(model)
    for target in targets:
        require_support(runtime, target.numerics, variant=target.variant, convolutions=convolutions)
    statics = [t.variant for t in targets if t.numerics in STATIC]
    ranges = _calibration(calibration, shape, sample_dtype, max_batch=max_batch, variants=statics)
    converter = exporter(runtime)
    folded, difference = fuse(model, sample_shape=shape)
    source = Source(folded, shape, sample_dtype, ranges, max_batch, cache)
    shared = {
        "runtime": runtime,
        "packages": _versions(converter.PACKAGES),
        "folding_max_difference": difference,
        "max_batch": max_batch,
    }
    output = TensorSpec(OUTPUT_NAME, "float32", (_n_classes(source),))
    inputs = (TensorSpec(INPUT_NAME, sample_dtype, shape),)
    artifacts = []
    what = f"{model_name} to {runtime}"
    for target, content in _converted(converter, source, targets, what=what):
        write(target.path, content)
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
                provenance=shared | _account(target, runtime, source),
            )
        )
    return tuple(artifacts)


def _account(target: Target, runtime: str, source: Source) -> dict[str, object]:
    """The account of one file: its recipe, and what is read back from its bytes."""
    account: dict[str, object] = {"numerics": target.numerics, "recipe": dict(target.recipe)}
    ranges = source.calibration
    if target.numerics in STATIC and ranges is not None:
        account["calibration"] = {"n": len(ranges), "sha256": hashlib.sha256(ranges.tobytes()).hexdigest()}
    account["weights"] = [summary.to_json() for summary in weight_summary(target.path, runtime)]
    account["size_zip_bytes"] = sizes(target.path).zipped
    return account


def _converted(
    converter: Any, source: Source, targets: Sequence[Target], *, what: str
) -> Iterator[tuple[Target, bytes]]:
    numerics = [target.numerics for target in targets]
    produced = None
    for target in targets:
        with converting(f"{what}, {target.variant}", place=partial(layer_at_fault, source)):
            # The generator is made inside: importing a converter prints as much as running it.
            produced = produced or converter.convert(source, numerics)
            content: bytes = next(produced)
        yield target, content


def _calibration(
    records: Array | None, shape: tuple[int, ...], dtype: str, *, max_batch: int, variants: Sequence[str]
) -> Array | None:
    if not variants:
        return None
    if records is None or len(records) == 0:
        raise ConfigError(f"variant {variants[0]!r} needs calibration records", hint="set calibration above 0")
    if records.shape[1:] != shape:
        raise ConfigError(f"calibration records have shape {records.shape[1:]}, the model takes {shape}")
    ranges = np.ascontiguousarray(records[:max_batch], dtype=dtype)
    # One NaN would become the range of every activation behind it.
    wrong = np.flatnonzero(~np.isfinite(ranges.reshape(len(ranges), -1)).all(axis=1))
    if len(wrong):
        raise InputError(f"calibration record {wrong[0] + 1} holds NaN or infinity", hint="repair or remove the record")
    return ranges


def _has_convolutions(model: nn.Module) -> bool:
    from torch.nn.modules.conv import _ConvNd

    return any(isinstance(module, _ConvNd) for module in model.modules())


def _n_classes(source: Source) -> int:
    import torch

    with torch.inference_mode():
        return int(source.model(source.example(1)).shape[1])


def _versions(packages: Sequence[str]) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
