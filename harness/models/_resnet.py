"""ResNet-18 in its form for 32 x 32 images."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ResNet18"]


class ResNet18(nn.Module):
    """Residual network of 18 layers (He et al. 2016): a 3 x 3 stem of stride 1, no pooling before the blocks.

    Args:
        n_classes: number of logits.
        channels: channels of a record.
        width: channels of the first stage; 64 is the paper's, each later stage doubles it.
    """

    def __init__(self, *, n_classes: int, channels: int, width: int) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width, 8 * width)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        before = (width, *widths[:-1])
        self.blocks = nn.Sequential(
            *(
                _Block(source if first else target, target, stride=2 if first and stage else 1)
                for stage, (source, target) in enumerate(zip(before, widths, strict=True))
                for first in (True, False)
            )
        )
        self.head = nn.Linear(widths[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, C, H, W]`` to logits ``[b, n_classes]``."""
        # Kept dimensions let XNNPACK take the mean as its pooling, in int8 where the rest is; squeezed, not flattened,
        # because LiteRT's converter cannot lower a reshape of a dynamic batch.
        pooled = self.blocks(self.stem(x)).mean((2, 3), keepdim=True).squeeze(3).squeeze(2)
        logits: Tensor = self.head(pooled)
        return logits


class _Block(nn.Module):
    def __init__(self, source: int, target: int, *, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(source, target, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(target),
            nn.ReLU(),
            nn.Conv2d(target, target, 3, padding=1, bias=False),
            nn.BatchNorm2d(target),
        )
        same = stride == 1 and source == target
        self.skip: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(source, target, 1, stride=stride, bias=False), nn.BatchNorm2d(target))
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.main(x) + self.skip(x))
        return out
