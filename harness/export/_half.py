"""A network in half precision that is fed and answers in float32."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["HalfPrecision"]


class HalfPrecision(nn.Module):
    """Cast the records down, run the network in float16, cast the logits up.

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
