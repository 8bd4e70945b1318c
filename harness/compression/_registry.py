"""The families of variants: :func:`compress` makes any variant by its name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.compression._variant import Variant, parse, parse_quantizer
from harness.packages import require
from harness.training import Inputs
from harness.types import IntArray

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Compressed", "architecture", "compress", "fuse", "quantize"]

Provenance = dict[str, object]
# Fine-tuning as a family calls it: (model, mask= or clusters=) -> None, all other arguments are bound.
Finetune = Callable[..., None]
Family = Callable[["nn.Module", Variant, Finetune, tuple[int, ...]], tuple["nn.Module", Provenance]]

# SGD fine-tunes clustered models at a hundredth of the others' rate, as published: a shared value's gradient is the sum
# over its thousands of weights, and at the full rate training diverges. Adam divides by the gradient's size.
CLUSTER_RATE = {"sgd": 0.01, "adam": 1.0}
# Families that fold batch norm before they change a weight.
FOLDED = ("cluster", "grid")


@dataclass(frozen=True, eq=False)
class Compressed:
    """One compressed version of a model, ready for export.

    Args:
        variant: its name.
        model: in evaluation mode; a copy, the model it was made of is unchanged.
        numerics: the number format for its export, one of ``NUMERICS``.
        provenance: the recipe and its effect on each tensor.
    """

    variant: str
    model: nn.Module
    numerics: str
    provenance: Mapping[str, object]


def _unchanged(model: nn.Module, _variant: Variant, _finetune: Finetune, _shape: tuple[int, ...]) -> Any:
    # The exporter applies number formats: each runtime has its own quantizer.
    return model, {}


def _finetuned(model: nn.Module, _variant: Variant, finetune: Finetune, _shape: tuple[int, ...]) -> Any:
    finetune(model)
    return model, {}


def _prune(model: nn.Module, variant: Variant, finetune: Finetune, _shape: tuple[int, ...]) -> Any:
    from harness.compression._prune import prune

    across = variant.family == "prune-global"
    return prune(model, sparsity=float(variant.level or 0), finetune=finetune, across=across)


def _cluster(model: nn.Module, variant: Variant, finetune: Finetune, shape: tuple[int, ...]) -> Any:
    from harness.compression._cluster import cluster

    return cluster(model, k=int(variant.level or 0), finetune=finetune, sample_shape=shape)


def _grid(model: nn.Module, variant: Variant, _finetune: Finetune, shape: tuple[int, ...]) -> Any:
    from harness.compression._grid import round_to_grid

    return round_to_grid(model, grid=variant.name, sample_shape=shape)


def _qat(model: nn.Module, _variant: Variant, finetune: Finetune, shape: tuple[int, ...]) -> Any:
    from harness.compression._qat import quantization_aware

    return quantization_aware(model, finetune=finetune, sample_shape=shape)


_FAMILIES: dict[str, Family] = {
    "original": _unchanged,
    "finetuned": _finetuned,
    "prune": _prune,
    "prune-global": _prune,
    "cluster": _cluster,
    "grid": _grid,
    "qat": _qat,
    "quantize": _unchanged,
}


def compress(
    model: nn.Module,
    variant: str,
    *,
    inputs: Inputs,
    labels: IntArray,
    finetune_epochs: int,
    finetune_learning_rate: float,
    batch_size: int,
    seed: int,
    optimizer: str = "adam",
    threads: int = 1,
    should_stop: Callable[[], bool] | None = None,
) -> Compressed:
    """Make one variant of a trained model; the model itself is unchanged.

    ``finetuned`` is the control: the same extra epochs on the same records, uncompressed. It separates the leakage of
    fine-tuning from that of compression.

    Args:
        model: the original, trained; maps records to logits.
        variant: see ``FORMS``.
        inputs: the records it was trained on, ``[n, ...]``; fine-tuning uses these and no others.
        labels: int64 ``[n]``.
        finetune_epochs: epochs after pruning, clustering or for ``finetuned``; quantized variants and grids use none.
        finetune_learning_rate: at the first step; clustered models take a hundredth of it with SGD.
        batch_size: records a step.
        seed: seed of the fine-tuning.
        optimizer: of the fine-tuning, ``adam`` or ``sgd``.
        threads: torch's threads.
        should_stop: called before each epoch; True stops the fine-tuning.

    Raises:
        ConfigError: the variant's name is not known, or a number is out of range.
        DependencyError: torch is not installed.
    """
    parsed = parse(variant)
    require("torch")
    from harness.training import finetune

    rate = finetune_learning_rate
    if parsed.family == "cluster":
        rate *= CLUSTER_RATE.get(optimizer, 1.0)
    tune = partial(
        finetune,
        inputs=inputs,
        labels=labels,
        epochs=finetune_epochs,
        batch_size=batch_size,
        learning_rate=rate,
        seed=seed,
        optimizer=optimizer,
        threads=threads,
        should_stop=should_stop,
    )
    compressed, details = _FAMILIES[parsed.family](copy.deepcopy(model), parsed, tune, inputs.shape[1:])
    recipe: Provenance = {"variant": variant, "family": parsed.family, "level": parsed.level, "seed": seed}
    if parsed.finetunes:
        recipe |= {"finetune_epochs": finetune_epochs, "finetune_learning_rate": rate}
    return Compressed(variant, compressed.eval(), parsed.numerics, recipe | details)


def quantize(model: nn.Module, quantizer: str, *, sample_shape: Sequence[int]) -> Compressed:
    """Apply a quantizer to trained weights, without fine-tuning.

    Args:
        model: maps records to logits; unchanged.
        quantizer: see ``QUANTIZERS``; the exporter applies the number formats.
        sample_shape: shape of one record.

    Raises:
        ConfigError: the quantizer's name is not known.
        ArtifactError: batch norm has to be folded and cannot be.
        DependencyError: torch is not installed.
    """
    parsed = parse_quantizer(quantizer)
    require("torch")

    def no_finetuning(_model: nn.Module, **_constraints: object) -> None:
        """Leave the model as it is."""

    compressed, details = _FAMILIES[parsed.family](copy.deepcopy(model), parsed, no_finetuning, tuple(sample_shape))
    recipe: Provenance = {"variant": quantizer, "family": parsed.family, "level": parsed.level}
    return Compressed(quantizer, compressed.eval(), parsed.numerics, recipe | details)


def fuse(model: nn.Module, *, sample_shape: Sequence[int]) -> tuple[nn.Module, float]:
    """Fold batch norm into the layers before it; return the copy and the largest relative change of logits on noise.

    Raises:
        ArtifactError: the model cannot be traced, or folding changed its logits.
        DependencyError: torch is not installed.
    """
    require("torch")
    from harness.compression import _fuse

    return _fuse.fuse(model, sample_shape=sample_shape)


def architecture(model: nn.Module, variant: str, *, sample_shape: Sequence[int]) -> nn.Module:
    """The network for a variant's saved weights, with batch norm folded where the variant folds it.

    Args:
        model: the original's architecture, with any weights.
        variant: the variant's name.
        sample_shape: shape of one record.
    """
    return fuse(model, sample_shape=sample_shape)[0] if parse(variant).family in FOLDED else model
