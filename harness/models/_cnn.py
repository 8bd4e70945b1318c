"""A small convolutional network, enough for 8 x 8 digits and light on a phone."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SmallCnn"]


class SmallCnn(nn.Module):
    """Three convolutions with batch norm and ReLU, the mean over the image, one linear layer.

    Args:
        n_classes: number of logits.
        channels: channels of a record.
        width: channels after the first convolution; the other two have twice as many.
    """

    def __init__(self, *, n_classes: int, channels: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(channels, width, stride=1),
            *_block(width, 2 * width, stride=1),
            *_block(2 * width, 2 * width, stride=2),
        )
        self.head = nn.Linear(2 * width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, C, H, W]`` to logits ``[b, n_classes]``."""
        # Kept dimensions let XNNPACK take the mean as its pooling, in int8 where the rest is; squeezed, not flattened,
        # because LiteRT's converter cannot lower a reshape of a dynamic batch.
        pooled = self.features(x).mean((2, 3), keepdim=True).squeeze(3).squeeze(2)
        logits: Tensor = self.head(pooled)
        return logits


def _block(channels: int, out: int, *, stride: int) -> tuple[nn.Module, ...]:
    # Batch norm has its own offset, so a bias here would be a parameter without effect.
    return nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
