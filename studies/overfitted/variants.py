"""Every variant of a trained network, by name: made by the harness's compression, fine-tuned on the study's device."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness import compression
from studies.overfitted.rounding import int4, int8
from studies.overfitted.settings import FINETUNED

__all__ = ["SHARED_RATES", "make"]

# Rates for shared values, as shares of the others' rate; the next one is taken where one makes the members' loss worse.
# A shared value's gradient is a sum over its weights, up to a million of them: at the hundredth that suits narrow
# networks, a ResNet-18 of width 64 answers the same for every image after fine-tuning. Adam divides by the gradient.
SHARED_RATES = {"sgd": (0.001, 0.0001, 0.00001), "adam": (1.0, 0.1)}
# Fine-tuning as a variant calls it: (model, mask= or shared=).
Tune = Callable[..., object]


def make(original: nn.Module, variant: str, *, tune: Tune, calibration: Tensor) -> nn.Module:
    """One variant; the original is unchanged.

    Args:
        original: trained, on the processor.
        variant: ``finetuned``, ``int8``, ``int4``, or a name of :data:`harness.compression.QUANTIZERS`.
        tune: fine-tunes a model on the members, keeping zeros (``mask=``) or shared values (``shared=``).
        calibration: records outside every training set, on the processor.
    """
    if variant == FINETUNED:
        model = copy.deepcopy(original)
        tune(model)
        return model
    if variant in ("int8", "int4"):
        return (int8 if variant == "int8" else int4)(original, calibration)
    model = compression.quantize(original, variant, sample_shape=tuple(calibration.shape[1:])).model
    if variant.startswith("prune-"):
        tune(model, mask={name: (weight != 0).to(weight.dtype) for name, weight in _weights(model).items()})
    elif variant.startswith("cluster-"):
        tune(model, shared={name: torch.unique(w, return_inverse=True)[1] for name, w in _weights(model).items()})
    return model.eval()


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Weights of convolutions and linear layers: the parameters of more than one axis."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.ndim > 1}
