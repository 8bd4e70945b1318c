"""Folding batch norm into the layer before it, and the proof that nothing changed."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from harness.errors import ArtifactError

__all__ = ["fuse"]

# Folding reorders float32 products: relative rounding of 2^-24 over some thousand terms stays far below this.
TOLERANCE = 1e-4
# Records of noise that the two networks must agree on.
CHECKS = 16

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def fuse(model: nn.Module, *, sample_shape: Sequence[int]) -> tuple[nn.Module, float]:
    """A copy with every batch norm folded into the convolution or linear layer before it, and the largest difference.

    The copy keeps its class and its modules' names (a folded batch norm becomes the identity), so it can be sent to
    another process and fine-tuned.

    Args:
        model: traceable by ``torch.fx`` where it has batch norm; unchanged.
        sample_shape: shape of one record.

    Returns:
        The folded copy in evaluation mode and the largest absolute difference of its logits on noise, relative to the
        largest logit (0 where there was nothing to fold).

    Raises:
        ArtifactError: the model cannot be traced, or folding changed its answers.
    """
    folded = copy.deepcopy(model).eval()
    if not any(isinstance(module, _BatchNorm) for module in folded.modules()):
        return folded, 0.0
    for before, norm in list(_pairs(folded)):
        _fold(folded, before, norm)
    # A generator of its own: the check must not move anybody's random numbers.
    noise = torch.randn((CHECKS, *sample_shape), generator=torch.Generator().manual_seed(0))
    was_training = model.training
    with torch.inference_mode():
        expected, found = model.eval()(noise), folded(noise)
    model.train(was_training)
    difference = float((expected - found).abs().max() / expected.abs().max().clamp(min=1.0))
    if not difference <= TOLERANCE:
        raise ArtifactError(f"{type(model).__name__}: folding batch norm changed the logits by {difference:.3g}")
    return folded, difference


def _pairs(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of each layer whose only reader is a batch norm, and of that batch norm."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = fx.Tracer().trace(model)
    except Exception as error:
        raise ArtifactError(
            f"{type(model).__name__}: batch norm cannot be folded: {error}",
            hint="control flow that depends on the input cannot be traced; fold it yourself before the export",
        ) from error
    modules = dict(model.named_modules())
    # A module that is called twice cannot absorb the batch norm behind one of its calls.
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
    model.set_submodule(before, cast(Any, fold)(layer, batch_norm))
    model.set_submodule(norm, nn.Identity())
