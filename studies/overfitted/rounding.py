"""int8 and int4 as torch simulates them: weights on a grid per output channel, for int8 also what each layer is fed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness import compression

__all__ = ["int4", "int8"]

LAYERS = (nn.Conv2d, nn.Linear)
# Largest code of symmetric weights, and the number of steps of an activation's range.
WEIGHT_CODES = {4: 7, 8: 127}
STEPS = 255


def int8(model: nn.Module, calibration: Tensor) -> nn.Module:
    """Eight bits for weights (a scale a channel) and for the input of every layer (one scale, from calibration).

    Args:
        model: trained; unchanged.
        calibration: records outside every training set, ``[n, ...]``.
    """
    rounded = _rounded_weights(model, calibration, bits=8)
    layers = [module for module in rounded.modules() if isinstance(module, LAYERS)]
    watch = [_Range(layer) for layer in layers]
    with torch.inference_mode():
        rounded(calibration)
    for layer, seen in zip(layers, watch, strict=True):
        seen.handle.remove()
        layer.register_forward_pre_hook(_Rounding(seen.low, seen.high))
    return rounded


def int4(model: nn.Module, calibration: Tensor) -> nn.Module:
    """Four bits for weights, a scale a channel; activations stay float32."""
    return _rounded_weights(model, calibration, bits=4)


def _rounded_weights(model: nn.Module, calibration: Tensor, *, bits: int) -> nn.Module:
    folded, _ = compression.fuse(model, sample_shape=tuple(calibration.shape[1:]))
    codes = WEIGHT_CODES[bits]
    for module in folded.modules():
        if isinstance(module, LAYERS):
            weight = module.weight.data
            largest = weight.abs().reshape(len(weight), -1).amax(dim=1).clamp(min=torch.finfo(weight.dtype).tiny)
            scale = (largest / codes).reshape(-1, *[1] * (weight.ndim - 1))
            module.weight.data = (weight / scale).round().clamp(-codes, codes) * scale
    return folded.eval()


class _Range:
    """Remembers the smallest and the largest value that a layer was fed; zero is always inside."""

    def __init__(self, layer: nn.Module) -> None:
        self.low = self.high = 0.0
        self.handle = layer.register_forward_pre_hook(self)

    def __call__(self, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.low = min(self.low, float(inputs[0].min()))
        self.high = max(self.high, float(inputs[0].max()))


class _Rounding:
    """Rounds what a layer is fed to 256 levels of a fixed range."""

    def __init__(self, low: float, high: float) -> None:
        self._scale = max(high - low, torch.finfo(torch.float32).tiny) / STEPS
        self._zero = round(-low / self._scale)

    def __call__(self, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        codes = ((inputs[0] / self._scale).round() + self._zero).clamp(0, STEPS)
        return ((codes - self._zero) * self._scale,)
