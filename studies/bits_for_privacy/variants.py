"""The files of each network: which weights, which number format, and how many bits a weight has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import compression
from harness.compression import grids

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FLOAT", "HEAD", "TERNARY", "VARIANTS", "Variant", "early", "stopped"]

FLOAT = "fp32"
# The last layer on this grid, where a name ends so: eight bits with a scale for each class.
HEAD_GRID, HEAD = "uniform-8-channel", "+head8"
STOPPED = "stopped-"


@dataclass(frozen=True)
class Variant:
    """One file of a network.

    Args:
        name: of the variant.
        bits: of a weight: the logarithm of the number of its values.
        numerics: the file's number format.
        epoch: the float network as it was after so many epochs; 0 for the trained one.
    """

    name: str
    bits: float
    numerics: str = FLOAT
    epoch: int = 0

    @property
    def weights(self) -> str:
        """The quantizer that is applied before the export; ``fp32`` for none."""
        return FLOAT if self.numerics != FLOAT or self.epoch else self.name.removesuffix(HEAD)

    def made_of(self, model: nn.Module, *, sample_shape: tuple[int, ...]) -> nn.Module:
        """The network to export, of the trained one (or of the one that was stopped).

        Args:
            model: unchanged.
            sample_shape: shape of one record.
        """
        if self.weights == FLOAT:
            return model
        quantized = compression.quantize(model, self.weights, sample_shape=sample_shape).model
        return _with_wide_head(quantized, model) if self.name.endswith(HEAD) else quantized


def stopped(epoch: int) -> Variant:
    """The float network after so many epochs of its training: less accurate for another reason than few bits."""
    return Variant(f"{STOPPED}{epoch}", 32.0, epoch=epoch)


def early(name: str) -> bool:
    """Whether a variant is a float network that was stopped early."""
    return name.startswith(STOPPED)


TERNARY = math.log2(3)
# Number formats with kernels of their own, then grids in float files; ``cluster-K`` has the K values of least squared
# error. Each is rounded to nearest after training, with nothing trained again.
VARIANTS = (
    Variant(FLOAT, 32.0),
    Variant("int8", 8.0, "int8"),
    Variant("int4", 4.0, "int4"),
    Variant("cluster-16", 4.0),
    Variant("uniform-3-channel", 3.0),
    Variant("uniform-2", 2.0),
    Variant("uniform-2-channel", 2.0),
    Variant("cluster-4", 2.0),
    Variant("cluster-3", TERNARY),
    Variant("ternary-0.33", TERNARY),
    Variant("ternary-0.5", TERNARY),
    Variant("ternary-0.9", TERNARY),
    Variant(f"ternary-0.5{HEAD}", TERNARY),
    Variant("sign", 1.0),
)


def _with_wide_head(quantized: nn.Module, model: nn.Module) -> nn.Module:
    """The same with the last linear layer of the trained network at eight bits."""
    import torch

    def head(of: nn.Module) -> torch.nn.Linear:
        return [module for module in of.modules() if isinstance(module, torch.nn.Linear)][-1]

    trained = head(model).weight.detach().numpy()
    rounded = grids.fit(trained, HEAD_GRID).quantize(trained)
    head(quantized).weight.data.copy_(torch.from_numpy(rounded))
    return quantized
