"""Folds batch norm into the layer before it, and checks that the logits stay the same."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from harness.errors import ArtifactError

__all__ = ["fuse"]

# Folding reorders float32 products: relative rounding of 2^-24 over some thousand terms stays far below this.
TOLERANCE = 1e-4
# Records of noise on which the two networks are compared.
CHECKS = 16

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
# Modules whose input is token ids.
LOOKUPS = (nn.Embedding, nn.EmbeddingBag)


def fuse(model: nn.Module, *, sample_shape: Sequence[int]) -> tuple[nn.Module, float]:
    """Fold batch norm into the convolution or linear layer before it; return the copy and the largest difference.

    A batch norm behind anything else, or behind a layer that other layers read too, stays: a pre-activation network
    such as DenseNet keeps those in front of its convolutions. The copy keeps its class and its modules' names (a
    folded batch norm becomes the identity), so it can be sent to another process and fine-tuned.

    Args:
        model: traceable by ``torch.fx`` where it has batch norm; unchanged.
        sample_shape: shape of one record.

    Returns:
        The folded copy in evaluation mode and the largest absolute difference of its logits on noise, relative to the
        largest logit (0 where there was nothing to fold).

    Raises:
        ArtifactError: the model cannot be traced, or folding changed its logits.
    """
    folded = copy.deepcopy(model).eval()
    if not any(isinstance(module, _BatchNorm) for module in folded.modules()):
        return folded, 0.0
    graph = _traced(folded)
    noise = _noise(folded, graph, sample_shape)
    for before, norm in list(_pairs(folded, graph)):
        _fold(folded, before, norm)
    was_training = model.training
    with torch.inference_mode():
        expected, logits = model.eval()(noise), folded(noise)
    model.train(was_training)
    difference = float((expected - logits).abs().max() / expected.abs().max().clamp(min=1.0))
    if not difference <= TOLERANCE:
        raise ArtifactError(
            f"{type(model).__name__}: folding batch norm changed the logits by {difference:.3g}",
            hint=f"at most {TOLERANCE:g} is rounding; fold it yourself before the export",
        )
    return folded, difference


def _traced(model: nn.Module) -> fx.Graph:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fx.Tracer().trace(model)
    except Exception as error:
        raise ArtifactError(
            f"{type(model).__name__}: batch norm cannot be folded: {error}",
            hint="control flow that depends on the input cannot be traced; fold it yourself before the export",
        ) from error


def _noise(model: nn.Module, graph: fx.Graph, sample_shape: Sequence[int]) -> Tensor:
    """Records for the comparison: normal noise, or ids 0 and 1 (which every vocabulary has) for an embedding."""
    modules = dict(model.named_modules())
    (entry,) = (node for node in graph.nodes if node.op == "placeholder")
    looked_up = any(
        user.target in (functional.embedding, torch.embedding) or isinstance(modules.get(str(user.target)), LOOKUPS)
        for user in entry.users
    )
    # A generator of its own: the check must not advance the global one.
    generator = torch.Generator().manual_seed(0)
    shape = (CHECKS, *sample_shape)
    return torch.randint(2, shape, generator=generator) if looked_up else torch.randn(shape, generator=generator)


def _pairs(model: nn.Module, graph: fx.Graph) -> Iterator[tuple[str, str]]:
    """The name of each layer that only a batch norm reads, and the name of that batch norm."""
    modules = dict(model.named_modules())
    # A module that is called twice cannot be folded with the batch norm behind one of its calls.
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(modules[str(node.target)], _BatchNorm):
            continue
        source = node.args[0]
        if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) > 1:
            continue
        foldable = isinstance(modules[str(source.target)], (*CONVOLUTIONS, nn.Linear))
        if foldable and calls[source.target] == calls[node.target] == 1:
            yield str(source.target), str(node.target)


def _fold(model: nn.Module, before: str, norm: str) -> None:
    layer, batch_norm = model.get_submodule(before), cast(Any, model.get_submodule(norm))
    fold = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
    # A layer without a bias gets the batch norm's shift as one, which torch would not train in fine-tuning.
    model.set_submodule(before, cast(Any, fold)(layer, batch_norm).requires_grad_(requires_grad=True))
    model.set_submodule(norm, nn.Identity())
