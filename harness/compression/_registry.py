"""One door to all families of variants."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.compression._variant import Variant, parse, parse_quantizer
from harness.models import require
from harness.training import Inputs
from harness.types import IntArray

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Compressed", "architecture", "compress", "fuse", "quantize"]

Provenance = dict[str, object]
# The fine-tuning of a family: (model, mask= or clusters=) -> None, everything else bound.
Finetune = Callable[..., None]
Family = Callable[["nn.Module", Variant, Finetune, tuple[int, ...]], tuple["nn.Module", Provenance]]

# Clustered models are fine-tuned by SGD at a hundredth of the others' rate, as published: a shared value's gradient is
# the sum over its thousands of weights, and at the full rate training collapses. Adam divides by the gradient's size.
CLUSTER_RATE = {"sgd": 0.01, "adam": 1.0}
# These fold batch norm before they touch a weight.
FOLDED = ("cluster", "grid")


@dataclass(frozen=True, eq=False)
class Compressed:
    """One compressed version of a model, ready for export.

    Args:
        variant: its name.
        model: in evaluation mode; a copy, the model it came from is untouched.
        numerics: the number format that export has to give it, one of ``NUMERICS``.
        provenance: the recipe and what it did to each tensor.
    """

    variant: str
    model: nn.Module
    numerics: str
    provenance: Mapping[str, object]


def _keep(model: nn.Module, _variant: Variant, _finetune: Finetune, _shape: tuple[int, ...]) -> Any:
    # Number formats are the exporter's work: the quantizers live beside the kernels that they quantize for.
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
    from harness.compression._grid import on_grid

    return on_grid(model, grid=variant.name, sample_shape=shape)


def _qat(model: nn.Module, _variant: Variant, finetune: Finetune, shape: tuple[int, ...]) -> Any:
    from harness.compression._qat import quantization_aware

    return quantization_aware(model, finetune=finetune, sample_shape=shape)


_FAMILIES: dict[str, Family] = {
    "original": _keep,
    "finetuned": _finetuned,
    "prune": _prune,
    "prune-global": _prune,
    "cluster": _cluster,
    "grid": _grid,
    "qat": _qat,
    "quantize": _keep,
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
    """Make one variant of a trained model; the model itself is left as it is.

    ``finetuned`` is the control: the same extra epochs on the same records, uncompressed, so that what fine-tuning
    leaks is told apart from what compression leaks.

    Args:
        model: the original, trained; maps records to logits.
        variant: see ``FORMS``.
        inputs: the records it was trained on, ``[n, ...]``; fine-tuning sees these and no others.
        labels: int64 ``[n]``.
        finetune_epochs: epochs after pruning, clustering or for ``finetuned``; quantized variants and grids use none.
        finetune_learning_rate: at the first step; clustered models take a hundredth of it with SGD.
        batch_size: records a step.
        seed: seed of the fine-tuning.
        optimizer: of the fine-tuning, ``adam`` or ``sgd``.
        threads: torch's threads.
        should_stop: asked before each epoch.

    Raises:
        ConfigError: the variant's name is not known, or a number is impossible.
        DependencyError: torch is not installed.
    """
    wanted = parse(variant)
    require("torch")
    from harness.training import finetune

    rate = finetune_learning_rate
    if wanted.family == "cluster":
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
    made, details = _FAMILIES[wanted.family](copy.deepcopy(model), wanted, tune, inputs.shape[1:])
    recipe: Provenance = {"variant": variant, "family": wanted.family, "level": wanted.level, "seed": seed}
    if wanted.finetunes:
        recipe |= {"finetune_epochs": finetune_epochs, "finetune_learning_rate": rate}
    return Compressed(variant, made.eval(), wanted.numerics, recipe | details)


def quantize(model: nn.Module, quantizer: str, *, sample_shape: Sequence[int]) -> Compressed:
    """Apply a quantizer to trained weights and nothing else: no variant is fine-tuned here.

    Args:
        model: maps records to logits; unchanged.
        quantizer: see ``QUANTIZERS``; the number formats leave the work to the exporter.
        sample_shape: shape of one record.

    Raises:
        ConfigError: the quantizer's name is not known.
        ArtifactError: batch norm has to be folded and cannot be.
        DependencyError: torch is not installed.
    """
    wanted = parse_quantizer(quantizer)
    require("torch")

    def leave(_model: nn.Module, **_held: object) -> None:
        """In the place of fine-tuning."""

    made, details = _FAMILIES[wanted.family](copy.deepcopy(model), wanted, leave, tuple(sample_shape))
    recipe: Provenance = {"variant": quantizer, "family": wanted.family, "level": wanted.level}
    return Compressed(quantizer, made.eval(), wanted.numerics, recipe | details)


def fuse(model: nn.Module, *, sample_shape: Sequence[int]) -> tuple[nn.Module, float]:
    """A copy with batch norm folded into the layers before it, and the largest relative change of its logits on noise.

    Raises:
        ArtifactError: the model cannot be traced, or folding changed its answers.
        DependencyError: torch is not installed.
    """
    require("torch")
    from harness.compression import _fuse

    return _fuse.fuse(model, sample_shape=sample_shape)


def architecture(model: nn.Module, variant: str, *, sample_shape: Sequence[int]) -> nn.Module:
    """The network that a variant's weights belong to, so that saved ones can be loaded: some are folded.

    Args:
        model: the original's architecture, with any weights.
        variant: the variant's name.
        sample_shape: shape of one record.
    """
    return fuse(model, sample_shape=sample_shape)[0] if parse(variant).family in FOLDED else model
