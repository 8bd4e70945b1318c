"""A multilayer perceptron for tables."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Mlp"]


class Mlp(nn.Module):
    """Two hidden layers with ReLU and one linear layer.

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(d,)``.
        width: units of each hidden layer.
    """

    def __init__(self, *, n_classes: int, in_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(in_shape[0], width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, d]`` to logits ``[b, n_classes]``."""
        logits: Tensor = self.head(self.hidden(x))
        return logits
