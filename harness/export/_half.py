"""A network in half precision with float32 input and output."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["HalfPrecision"]


class HalfPrecision(nn.Module):
    """Casts the records to float16, runs the network, and casts the logits to float32.

    Args:
        network: converted to float16 in place.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, x: Tensor) -> Tensor:
        """Map records, float32 or token ids, to float32 logits."""
        logits: Tensor = self.network(x.half() if x.is_floating_point() else x).float()
        return logits
