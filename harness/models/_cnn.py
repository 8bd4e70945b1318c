"""A small convolutional network, for 8 x 8 digits and for phones."""

from __future__ import annotations

from torch import Tensor, nn

from harness.models._blocks import conv_norm, mean_over_image

__all__ = ["SmallCnn"]


class SmallCnn(nn.Module):
    """Three convolutions with batch norm and ReLU, the mean over the image, one linear layer.

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(C, H, W)``.
        width: channels of the first convolution; the other two have twice as many.
    """

    def __init__(self, *, n_classes: int, in_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *conv_norm(in_shape[0], width, 3),
            *conv_norm(width, 2 * width, 3),
            *conv_norm(2 * width, 2 * width, 3, stride=2),
        )
        self.head = nn.Linear(2 * width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, C, H, W]`` to logits ``[b, n_classes]``."""
        logits: Tensor = self.head(mean_over_image(self.features(x)))
        return logits
